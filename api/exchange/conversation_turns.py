"""The turns of a conversation that may be watched or ended: the newest of its generations."""

import asyncio

from redis.exceptions import RedisError

from api.problems.problem import ProblemError, unavailable
from api.services import ApiServices
from shared.backoff import Backoff
from shared.conversations.conversations import MAX_CONVERSATION_CHARS
from shared.record import Record

LOOKED_AT = 32
"""Generations of a conversation, from the newest back, that are looked at for those that run."""


async def newest_turn(use: ApiServices, owner: str, conversation: str, *, ended: bool = False) -> Record | None:
    """Returns the newest generation that runs; with `ended`, the newest of all. None where there is none.

    Who comes back gives up at an error, and takes "nothing" for the end: so a Redis that is away, or may lack what is
    about to be written again, is waited for a while. Raises ProblemError 503, and redis.exceptions.RedisError.
    """
    loop, backoff = asyncio.get_running_loop(), Backoff()
    give_up_at = loop.time() + use.generations.durability.given_up_s
    while True:
        try:
            records = await _turns(use, owner, conversation)
            return next((record for record in records if ended or record.seal is None), None)
        except (RedisError, ProblemError):
            if loop.time() > give_up_at:
                raise
        await backoff.wait()


async def running_turns(use: ApiServices, owner: str, conversation: str) -> list[Record]:
    """Returns the generations that run, the newest first. Raises ProblemError 503, and redis.exceptions.RedisError."""
    return [record for record in await _turns(use, owner, conversation) if record.seal is None]


async def _turns(use: ApiServices, owner: str, conversation: str) -> list[Record]:
    if not 0 < len(conversation) <= MAX_CONVERSATION_CHARS or not conversation.isprintable():
        return []
    (ids,) = await use.generations.conversations.newest(owner, [conversation], LOOKED_AT)
    found = await use.generations.records(ids)
    records = [record for record in found if record is not None and record.owner == owner]
    if all(record.seal is not None for record in records) and await use.just_restarted(sure=True):
        raise unavailable()
    return records
