"""The queue: when an attempt starts. arq's job format, with enqueue, take, renew and finish of our own in Lua.

An entry's score is the time (ms, Redis' clock) from which it may be taken, and taking it moves the score ahead by the
lease, as Amazon SQS does with its visibility timeout: an expired lease is simply visible again, so nothing reaps.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

import msgspec
from arq.jobs import serialize_job
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.request.generation_request import MAX_TTL_S
from shared.storage.clock import ServerClock, read_clock, read_server
from shared.storage.keys import (
    COUNTED_KEY,
    DEADLINES_KEY,
    INTERRUPTS_CHANNEL,
    LEASE_KEY,
    LEASES_KEY,
    OWNERS_KEY,
    PENDING_KEY,
    QUEUE_KEY,
    WAKE_KEY,
    job_key,
    owner_key,
    retry_key,
    task_key,
)
from shared.storage.lua_script import LuaScript
from shared.usage import MAX_MODELS_PER_DAY, OTHER_MODEL, Ended

JOB_NAME = "generate"
"""The one job name; its only argument is the generation id, which is also the job id."""

NO_LEASES = 1 << 53
"""`leased_since_ms` with which no lease is old enough."""
MAX_SETTLED_PER_STEP = 100
"""Generations that are settled in one step."""


def tell_other_lease(logger: logging.Logger, lease: float, other_ms: int) -> None:
    """Warn that this process' lease (seconds) is not that of the one which started before."""
    logger.warning(
        "MIDSTREAM_LEASE is %g s here and %g s in the process that started before: give all of them the same, "
        "or workers take over from each other what still runs",
        lease,
        other_ms / 1000,
    )


def encode_job(fields: dict[str, Any]) -> bytes:
    """arq's job serializer. JSON, as a pickle from whoever can write to Redis would run code in the worker."""
    return msgspec.json.encode(fields, enc_hook=lambda value: type(value).__name__)


def decode_job(data: bytes) -> dict[str, Any]:
    """arq's job deserializer. Raises msgspec.DecodeError for anything but the JSON of one of our jobs."""
    fields = msgspec.json.decode(data, type=dict[str, Any])
    if fields.get("f") != JOB_NAME:
        raise msgspec.ValidationError("not a Midstream job")
    return fields


class IndexPlace(NamedTuple):
    """Where a generation stands in its owner's index: it needs not be there (any more) to go on from."""

    ms: int
    """When it was announced, on the queue's clock."""
    id: str

    def __str__(self) -> str:
        return f"{self.ms}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place as it was given out. Raises ValueError for anything else."""
        ms, dash, generation_id = text.partition("-")
        if not (dash and generation_id and ms.isascii() and ms.isdecimal() and len(ms) <= 15):
            raise ValueError("a place is <ms>-<id>")
        return cls(int(ms), generation_id)


class Announced(StrEnum):
    """What became of an announcement."""

    NEW = "NEW"
    BEFORE = "BEFORE"
    """The pending index has it already."""
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class TakenJobs:
    """Jobs that a worker leases now, with their scores, and when to look again."""

    jobs: list[tuple[str, int]]
    now_ms: int
    next_ms: int | None
    """ms until the next leased entry becomes visible; None where nothing is leased."""
    late: bool = False
    """Redis got to it after `until_ms`, and did nothing."""


class Queue:
    """The queue and the indexes that span generations, on one Redis. Methods raise redis.exceptions.RedisError."""

    _announce = LuaScript("shared/queue/announce.lua")
    _enqueue = LuaScript("shared/queue/enqueue.lua")
    _take = LuaScript("shared/queue/take.lua")
    _renew = LuaScript("shared/queue/renew.lua")
    _finish = LuaScript("shared/queue/finish.lua")
    _settle = LuaScript("shared/queue/settle.lua")

    def __init__(self, redis: Redis, settings: Settings, durability: Durability | None = None) -> None:
        self.redis = redis
        self.durability = durability or Durability(settings.lease)
        self.lease_ms = self.durability.lease_ms
        self.job_ttl_ms = int(settings.running_ttl * 1000)
        self.longest_ms = int((settings.running_ttl + max(MAX_TTL_S, settings.ttl)) * 1000)
        self.usage_ttl = settings.usage_ttl * 86_400

    async def announce(self, generation_id: str, owner: str, most: int) -> Announced:
        """Note a generation that is about to be accepted, unless `most` are pending."""
        keys = [PENDING_KEY, owner_key(owner), OWNERS_KEY]
        raw = await self._announce(self.redis, keys, [generation_id, most, self.longest_ms, owner])
        return Announced(raw.decode())

    async def enqueue(self, generation_id: str, after_ms: int = 0) -> bool:
        """Make it visible to workers, and wake one; False where it is queued or leased already.

        With `after_ms` it is leased by nobody until then: a worker that has it can still take it back.
        """
        job = serialize_job(JOB_NAME, (generation_id,), {}, None, 0, serializer=encode_job)
        return bool(
            await self._enqueue(
                self.redis,
                [QUEUE_KEY, WAKE_KEY, PENDING_KEY, LEASES_KEY],
                [generation_id, job_key(generation_id), job, self.job_ttl_ms, after_ms],
            )
        )

    async def take(
        self,
        worker: str,
        *,
        most: int,
        since_ms: int | None = None,
        until_ms: int | None = None,
        leased_since_ms: int | None = None,
    ) -> TakenJobs:
        """Lease up to `most` visible jobs, oldest first; with `since_ms` only those enqueued since then.

        After `until_ms` (Redis' clock) it does nothing: a Redis that was paused still gets what was sent meanwhile, and
        nobody would know of these leases. Leases that ran out before `leased_since_ms` are left alone.
        """
        least: list[str | int] = ["-inf" if since_ms is None else since_ms]
        least += ["" if ms is None else ms for ms in (until_ms, leased_since_ms)]
        raw = await self._take(
            self.redis,
            [QUEUE_KEY, LEASES_KEY],
            [worker, self.lease_ms, most, *least, self.durability.restored_ms],
        )
        jobs = [(job.decode(), int(float(score))) for job, score in zip(raw[2::2], raw[3::2], strict=True)]
        ahead = int(raw[1])
        return TakenJobs(jobs, int(raw[0]), ahead if ahead >= 0 else None, late=ahead == -2)

    async def renew(self, worker: str, job_ids: Sequence[str]) -> list[str]:
        """Renew leases in one step; gives the ids that another worker holds."""
        raw = await self._renew(self.redis, [QUEUE_KEY, LEASES_KEY, PENDING_KEY], [worker, self.lease_ms, *job_ids])
        return [job_id.decode() for job_id in raw]

    async def finish(self, worker: str, job_id: str, end: Literal["done", "back"]) -> bool:
        """End a job or give it back; False where another worker holds it."""
        return bool(
            await self._finish(
                self.redis,
                [QUEUE_KEY, LEASES_KEY, WAKE_KEY],
                [worker, job_id, job_key(job_id), retry_key(job_id), end],
            )
        )

    async def wait(self, seconds: float) -> bool:
        """Block until a job is enqueued or given back, at most `seconds`. Needs a connection with a longer timeout."""
        blpop: Any = self.redis.blpop  # typed for whole seconds; Redis takes fractions since 6.0
        return await blpop([WAKE_KEY], timeout=seconds) is not None

    async def position(self, generation_id: str) -> int | None:
        """Place in line, 1 for the next; None once a worker has it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zscore(QUEUE_KEY, generation_id)
            pipe.hexists(LEASES_KEY, generation_id)
            pipe.time()
            score, leased, (seconds, microseconds) = await pipe.execute()
        if score is None or (leased and score > seconds * 1000 + microseconds / 1000):
            return None
        return int(await self.redis.zcount(QUEUE_KEY, "-inf", f"({score:.0f}")) + 1

    async def interrupt(self, generation_id: str) -> None:
        """Make the worker that runs it look at its record now."""
        await self.redis.publish(INTERRUPTS_CHANNEL, generation_id)

    async def pending(
        self, *, count: int, offset: int = 0, since_ms: int | None = None, before_ms: int | None = None
    ) -> list[tuple[str, int, bool]]:
        """Accepted generations without a known end: id, ms when announced, and whether the queue has it."""
        first: str | int = "-inf" if since_ms is None else since_ms
        last: str | int = "+inf" if before_ms is None else before_ms
        raw = await self.redis.zrangebyscore(PENDING_KEY, first, last, start=offset, num=count, withscores=True)
        if not raw:
            return []
        queued = await self.redis.zmscore(QUEUE_KEY, [generation_id for generation_id, _ in raw])
        return [(i.decode(), int(score), q is not None) for (i, score), q in zip(raw, queued, strict=True)]

    async def not_pending(self, generation_ids: Sequence[str]) -> list[str]:
        """Those of them that the pending index does not have."""
        if not generation_ids:
            return []
        scores = await self.redis.zmscore(PENDING_KEY, list(generation_ids))
        return [i for i, score in zip(generation_ids, scores, strict=True) if score is None]

    async def lacks(self, accepted: Sequence[tuple[str, str]]) -> list[tuple[bool, bool]]:
        """For each id and its owner: whether an index does not have it, and whether no worker would ever take it."""
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
        """Note in the owner's list what has ended since it was accepted."""
        now_ms, _ = await self.clock()
        async with self.redis.pipeline() as pipe:
            pipe.zadd(owner_key(owner), {generation_id: now_ms}, nx=True)
            pipe.pexpire(owner_key(owner), self.longest_ms)
            pipe.sadd(OWNERS_KEY, owner)
            await pipe.execute()

    async def settle(self, generation_ids: Sequence[str], ended: Sequence[Ended] = ()) -> int:
        """Take generations that have ended, or never began, out of the pending index, and count what they used.

        `ended` says what to count: each generation once, whoever says so how often. Gives how many were counted now.
        """
        counted = 0
        for start in range(0, max(len(generation_ids), len(ended)), MAX_SETTLED_PER_STEP):
            ids, ends = (
                generation_ids[start : start + MAX_SETTLED_PER_STEP],
                ended[start : start + MAX_SETTLED_PER_STEP],
            )
            arguments: list[str | int] = [len(ids), *ids, self.usage_ttl, MAX_MODELS_PER_DAY, OTHER_MODEL]
            for end in ends:
                counts = [(model, *count) for model, counter in end.counts().items() for count in counter.items()]
                arguments += [end.id, end.keep_ms, len(counts)]
                for count in counts:
                    arguments += count
            counted += await self._settle(self.redis, [PENDING_KEY, COUNTED_KEY, *(end.key for end in ends)], arguments)
            if ids:
                await self.redis.zrem(DEADLINES_KEY, *ids)
        return counted

    async def alone(self, task: str, seconds: float) -> bool:
        """Whether this process may run a task that one worker is enough for, for so many seconds."""
        key, ms = task_key(task), int(seconds * 1000)
        if await self.redis.set(key, "1", nx=True, px=ms):
            return True
        # Redis keeps the end of a key's time by its clock, and nobody has it for longer: the clock was set back.
        return await self.redis.pttl(key) > ms and bool(await self.redis.set(key, "1", px=ms))

    async def clock(self) -> tuple[int, int]:
        """Redis' time in ms, and for how many ms it has been up."""
        return await read_clock(self.redis)

    async def server(self) -> ServerClock:
        """The same, and which run of which server says so."""
        return await read_server(self.redis)

    async def compare_lease(self) -> int | None:
        """Note this process' lease; gives that of the process which started before, in ms, where it is another one."""
        before = await self.redis.set(LEASE_KEY, self.lease_ms, get=True)
        return int(before) if before is not None and int(before) != self.lease_ms else None

    async def owned(self, owner: str, *, before: IndexPlace | None, limit: int) -> list[IndexPlace]:
        """Places of the owner's generations, newest first, that come after `before`, whether that is there or not."""
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
        """Where a generation stands in the owner's index; None where it does not."""
        score = await self.redis.zscore(owner_key(owner), generation_id)
        return None if score is None else IndexPlace(int(score), generation_id)

    async def owners(self) -> list[str]:
        """Those that have an index, in order."""
        members: Any = self.redis.smembers(OWNERS_KEY)  # typed for a client that does not await too
        return sorted(owner.decode(errors="replace") for owner in await members)

    async def drop_owner(self, owner: str) -> None:
        """Take an owner whose index has expired out of those that have one."""
        redis: Any = self.redis  # typed for a client that does not await too
        await redis.srem(OWNERS_KEY, owner)
        if await redis.exists(owner_key(owner)):
            await redis.sadd(OWNERS_KEY, owner)  # it has announced something meanwhile

    async def forget(self, owner: str, generation_ids: Sequence[str]) -> None:
        """Drop ids from the owner's index."""
        if generation_ids:
            await self.redis.zrem(owner_key(owner), *generation_ids)


def _place(member: bytes, score: float) -> IndexPlace:
    """Of an entry of an owner's index. Where something else has written there, it leads to no record."""
    return IndexPlace(int(score) if math.isfinite(score) else 0, member.decode(errors="replace"))
