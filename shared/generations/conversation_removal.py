"""The removal of a conversation with all its generations."""

import asyncio

from shared.conversations.conversations import Buried
from shared.generations.generations import Generations

AT_ONCE = 20
"""Generations that are deleted at the same time."""


async def remove(
    generations: Generations, owner: str, conversation: str, again: Buried | None = None
) -> tuple[Buried | None, list[str]]:
    """Deletes a conversation and all its generations; returns what was deleted, and their ids. Idempotent.

    `again` says what was deleted before a Redis came back older: what has come since stays. From the first moment
    nobody finds the conversation; what a crash leaves of its generations is deleted when this is called again.

    Raises redis.exceptions.RedisError.
    """
    conversations = generations.conversations
    buried = await conversations.bury(owner, conversation, again)
    ids = await conversations.buried(owner, conversation)
    for start in range(0, len(ids), AT_ONCE):
        page = ids[start : start + AT_ONCE]
        await asyncio.gather(*(generations.delete(owner, generation_id) for generation_id in page))
        await conversations.forget_buried(owner, conversation, page)
    return buried, ids
