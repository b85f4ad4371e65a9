"""A look at the index of a conversation: what has come since the last one, and whether that still holds."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from shared.conversations.conversations import Numbered
from shared.storage.keys import ConversationKeys


class IndexLook(NamedTuple):
    """What a look finds."""

    exists: bool
    ended: bool
    """Whether it was deleted or has expired; both False where Redis has nothing of it."""
    size: int
    """How many generations it has."""
    since: Sequence[Numbered]
    """Those from the given number on, that one included."""


async def look(redis: Redis, owner: str, conversation: str, since: int = 0) -> IndexLook:
    """Looks at a conversation's index, from a number on. Raises redis.exceptions.RedisError."""
    keys = ConversationKeys(owner, conversation)
    async with redis.pipeline(transaction=True) as pipe:  # they belong to one moment
        pipe.hmget(keys.about, ["created"])
        pipe.exists(keys.tombstone)
        pipe.zcard(keys.generations)
        pipe.zrangebyscore(keys.generations, since, "+inf", withscores=True)
        (created,), buried, count, raw = await pipe.execute()
    exists = created is not None
    numbered = [Numbered(int(number), generation_id.decode()) for generation_id, number in raw]
    return IndexLook(exists, bool(buried) and not exists, count, numbered)
