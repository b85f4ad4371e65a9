"""The index of an owner's conversations, by when the newest generation of each was noted."""

from typing import NamedTuple, Self

from redis.asyncio import Redis

from shared.storage.keys import conversations_key
from shared.storage.lua_script import LuaScript

DAY_MS = 86_400_000


class ConversationPlace(NamedTuple):
    """Where a conversation stands in its owner's index: a page goes on behind it even where it has left the index."""

    ms: int
    id: str

    def __str__(self) -> str:
        return f"{self.ms}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a place as it was given out. Raises ValueError for anything else."""
        ms, dash, conversation = text.partition("-")
        if not (dash and conversation and ms.isascii() and ms.isdecimal() and len(ms) <= 15):
            raise ValueError("a place is <ms>-<conversation>")
        return cls(int(ms), conversation)


class OwnerIndex:
    """Notes, drops and pages. Methods raise redis.exceptions.RedisError."""

    _forget = LuaScript("shared/conversations/forget.lua")

    def __init__(self, redis: Redis, *, kept_ms: int) -> None:
        self.redis = redis
        self._kept_ms = kept_ms
        """ms for which a conversation lives at most, unless it is noted or renewed again."""

    async def note(self, owner: str, conversation: str, now_ms: int) -> None:
        """Notes a conversation as the newest; drops those that nobody can find any more."""
        key = conversations_key(owner)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zadd(key, {conversation: now_ms})
            # A generation is accepted before it ends, and may wait and run between.
            pipe.zremrangebyscore(key, "-inf", now_ms - 2 * self._kept_ms - DAY_MS)
            pipe.pexpire(key, self._kept_ms)
            await pipe.execute()

    async def restore(self, owner: str, conversation: str, updated_ms: int) -> None:
        """Notes a conversation that the index lacks, where it was before."""
        key = conversations_key(owner)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zadd(key, {conversation: updated_ms}, nx=True)
            pipe.pexpire(key, self._kept_ms)
            await pipe.execute()

    async def renew(self, owner: str, conversation: str) -> bool:
        """Keeps the index for as long as a conversation of it that goes on; says whether it has that."""
        key = conversations_key(owner)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.pexpire(key, self._kept_ms)
            pipe.zscore(key, conversation)
            _, score = await pipe.execute()
        return score is not None

    async def drop(self, owner: str, conversation: str) -> None:
        """Drops a conversation that was deleted."""
        await self.redis.zrem(conversations_key(owner), conversation)

    async def forget(self, owner: str, places: list[ConversationPlace]) -> None:
        """Drops places that lead to no conversation, unless there is one again."""
        if places:
            entries: list[str | int] = [item for place in places for item in place]
            await self._forget(self.redis, [conversations_key(owner)], entries)

    async def page(self, owner: str, *, before: ConversationPlace | None, limit: int) -> list[ConversationPlace]:
        """Returns places of the owner's conversations, newest first, behind `before`, which needs not be there."""
        key = conversations_key(owner)
        if before is None:
            raw = await self.redis.zrevrange(key, 0, limit - 1, withscores=True)
            return [_place(*entry) for entry in raw]
        async with self.redis.pipeline(transaction=False) as pipe:
            # Of those of the same ms, which are few, Redis cannot give the ones after a name.
            pipe.zrevrangebyscore(key, before.ms, before.ms)
            pipe.zrevrangebyscore(key, f"({before.ms}", "-inf", start=0, num=limit, withscores=True)
            level, older = await pipe.execute()
        beside = [_place(name, before.ms) for name in level if name < before.id.encode()]
        return (beside + [_place(*entry) for entry in older])[:limit]


def _place(member: bytes, score: float) -> ConversationPlace:
    return ConversationPlace(int(score), member.decode(errors="replace"))
