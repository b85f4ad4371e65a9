"""The indexes that span generations: what is pending, what each owner has, which owners there are."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from redis.asyncio import Redis

from shared.config.owner_settings import OwnerLimits
from shared.config.settings import Settings
from shared.queue.limits import NO_LIMITS, Announcement, keys_and_arguments
from shared.request.limits import MAX_TTL_S
from shared.storage.clock import read_clock
from shared.storage.keys import (
    COUNTED_KEY,
    DEADLINES_KEY,
    LINE_OWNERS_KEY,
    OWNERS_KEY,
    PENDING_KEY,
    QUEUE_KEY,
    UNWATCHED_KEY,
    USAGE_OWNERS_KEY,
    owner_key,
)
from shared.storage.lua_script import LuaScript
from shared.usage import MAX_MODELS_PER_DAY, OTHER_MODEL, Ended

MAX_SETTLED_PER_STEP = 100
"""Generations that are settled in one step."""


class IndexPlace(NamedTuple):
    """Where a generation stands in its owner's index: a page goes on behind it even where it has left the index."""

    ms: int
    """When it was announced, on the queue's clock."""
    id: str

    def __str__(self) -> str:
        return f"{self.ms}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a place as it was given out. Raises ValueError for anything else."""
        ms, dash, generation_id = text.partition("-")
        if not (dash and generation_id and ms.isascii() and ms.isdecimal() and len(ms) <= 15):
            raise ValueError("a place is <ms>-<id>")
        return cls(int(ms), generation_id)


class Pending(NamedTuple):
    """A generation in the pending index."""

    id: str
    since_ms: int
    """When it was announced, on the queue's clock."""
    queued: bool
    """Whether the queue has it."""
    in_line: bool
    """Whether the queue's lines know of it."""


class Indexes:
    """The indexes on the queue's Redis. Methods raise redis.exceptions.RedisError."""

    _announce = LuaScript("shared/queue/announce.lua")
    _settle = LuaScript("shared/queue/settle.lua")
    _put_off = LuaScript("shared/queue/put_off.lua")

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.redis = redis
        longest = max(MAX_TTL_S, settings.ttl, settings.conversation_kept)
        self.longest_ms = int((settings.running_ttl + longest) * 1000)
        self.usage_ttl = settings.usage_ttl * 86_400

    async def announce(
        self, generation_id: str, owner: str, most: int, limits: OwnerLimits = NO_LIMITS
    ) -> Announcement:
        """Notes a generation that is about to be accepted, unless `most` are pending, or the owner may have no more."""
        keys, arguments = keys_and_arguments(owner, limits)
        raw = await self._announce(
            self.redis,
            [PENDING_KEY, owner_key(owner), OWNERS_KEY, *keys],
            [generation_id, most, self.longest_ms, owner, *arguments],
        )
        return Announcement.read(raw)

    async def pending(
        self, *, count: int, offset: int = 0, since_ms: int | None = None, before_ms: int | None = None
    ) -> list[Pending]:
        """Returns accepted generations without a known end, by their age."""
        first: str | int = "-inf" if since_ms is None else since_ms
        last: str | int = "+inf" if before_ms is None else before_ms
        raw = await self.redis.zrangebyscore(PENDING_KEY, first, last, start=offset, num=count, withscores=True)
        if not raw:
            return []
        ids = [generation_id for generation_id, _ in raw]
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zmscore(QUEUE_KEY, ids)
            pipe.hmget(LINE_OWNERS_KEY, ids)
            queued, owners = await pipe.execute()
        return [
            Pending(i.decode(), int(score), at is not None, owner is not None)
            for (i, score), at, owner in zip(raw, queued, owners, strict=True)
        ]

    async def not_pending(self, generation_ids: Sequence[str]) -> list[str]:
        """Returns those of them that the pending index does not have."""
        if not generation_ids:
            return []
        scores = await self.redis.zmscore(PENDING_KEY, list(generation_ids))
        return [i for i, score in zip(generation_ids, scores, strict=True) if score is None]

    async def lacks(self, accepted: Sequence[tuple[str, str]]) -> list[tuple[bool, bool]]:
        """Returns for each id and its owner whether an index lacks it, and whether the queue lacks it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for generation_id, owner in accepted:
                pipe.zscore(PENDING_KEY, generation_id)
                pipe.zscore(owner_key(owner), generation_id)
                pipe.zscore(QUEUE_KEY, generation_id)
            raw = await pipe.execute()
        return [
            (pending is None or owned is None, queued is None)
            for pending, owned, queued in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
        ]

    async def list_again(self, generation_id: str, owner: str) -> None:
        """Notes in the owner's index a generation that has ended since it was accepted."""
        now_ms, _ = await read_clock(self.redis)
        async with self.redis.pipeline() as pipe:
            pipe.zadd(owner_key(owner), {generation_id: now_ms}, nx=True)
            pipe.pexpire(owner_key(owner), self.longest_ms)
            pipe.sadd(OWNERS_KEY, owner)
            await pipe.execute()

    async def settle(self, generation_ids: Sequence[str], ended: Sequence[Ended] = ()) -> list[Ended]:
        """Takes generations that have ended, or never began, out of the pending index, and counts what they used.

        `ended` says what to count: each generation is counted once, however often this is called for it. Returns
        those that were counted now.
        """
        counted: list[Ended] = []
        for start in range(0, max(len(generation_ids), len(ended)), MAX_SETTLED_PER_STEP):
            ids, ends = (
                generation_ids[start : start + MAX_SETTLED_PER_STEP],
                ended[start : start + MAX_SETTLED_PER_STEP],
            )
            arguments: list[str | int] = [len(ids), *ids, self.usage_ttl, MAX_MODELS_PER_DAY, OTHER_MODEL]
            for end in ends:
                counts = [(model, *count) for model, counter in end.counts().items() for count in counter.items()]
                arguments += [end.id, end.owner, end.keep_ms, len(counts)]
                for count in counts:
                    arguments += count
            keys = [PENDING_KEY, COUNTED_KEY, USAGE_OWNERS_KEY, *(end.key for end in ends)]
            counted += [ends[place] for place in await self._settle(self.redis, keys, arguments)]
            if ids:
                async with self.redis.pipeline(transaction=False) as pipe:
                    pipe.zrem(DEADLINES_KEY, *ids)
                    pipe.zrem(UNWATCHED_KEY, *ids)
                    await pipe.execute()
        return counted

    async def put_off_unwatched(self, ahead_ms: Mapping[str, int]) -> None:
        """Notes for each generation after how many ms from now it is due to be looked at, as nobody may watch it."""
        await self._put_off(self.redis, [UNWATCHED_KEY], [item for pair in ahead_ms.items() for item in pair])

    async def owned(self, owner: str, *, before: IndexPlace | None, limit: int) -> list[IndexPlace]:
        """Returns places of the owner's generations, newest first, after `before`, which needs not be there."""
        index = owner_key(owner)
        if before is None:
            newest = await self.redis.zrevrange(index, 0, limit - 1, withscores=True)
            return [_place(*entry) for entry in newest]
        async with self.redis.pipeline(transaction=False) as pipe:
            # Of those that were announced in the same ms, which are few, Redis cannot give the ones after an id.
            pipe.zrevrangebyscore(index, before.ms, before.ms)
            pipe.zrevrangebyscore(index, f"({before.ms}", "-inf", start=0, num=limit, withscores=True)
            level, older = await pipe.execute()
        beside = [_place(i, before.ms) for i in level if i < before.id.encode()]
        return (beside + [_place(*entry) for entry in older])[:limit]

    async def place(self, owner: str, generation_id: str) -> IndexPlace | None:
        """Returns where a generation stands in the owner's index; None where it does not."""
        score = await self.redis.zscore(owner_key(owner), generation_id)
        return None if score is None else IndexPlace(int(score), generation_id)

    async def owners(self) -> list[str]:
        """Returns the owners that have an index, sorted."""
        members: Any = self.redis.smembers(OWNERS_KEY)  # typed for a client that does not await too
        return sorted(owner.decode(errors="replace") for owner in await members)

    async def drop_owner(self, owner: str) -> None:
        """Takes an owner whose index has expired out of those that have one."""
        redis: Any = self.redis  # typed for a client that does not await too
        await redis.srem(OWNERS_KEY, owner)
        if await redis.exists(owner_key(owner)):
            await redis.sadd(OWNERS_KEY, owner)  # it has announced something meanwhile

    async def forget(self, owner: str, generation_ids: Sequence[str]) -> None:
        """Drops ids from the owner's index."""
        if generation_ids:
            await self.redis.zrem(owner_key(owner), *generation_ids)


def _place(member: bytes, score: float) -> IndexPlace:
    """Returns the place of an entry. One that something else has written leads to no record."""
    return IndexPlace(int(score) if math.isfinite(score) else 0, member.decode(errors="replace"))
