"""The queue: when an attempt starts. arq's job format, with enqueue, take, renew and finish of our own in Lua.

An entry's score is the time (ms, Redis' clock) from which it may be taken, and taking it moves the score ahead by the
lease, as Amazon SQS does with its visibility timeout: an expired lease is simply visible again, so nothing reaps. What
waits does so in its owner's line (lines.lua): the owners are served by turns, each by its weight, so that none starves
the others (docs/decisions/0037-lines.md).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from arq.jobs import serialize_job
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.queue.indexes import Indexes
from shared.queue.lines import LINE_KEYS, Shares
from shared.storage.clock import ServerClock, read_clock, read_server
from shared.storage.keys import (
    INTERRUPTS_CHANNEL,
    LEASE_KEY,
    LEASES_KEY,
    LINE_OWNERS_KEY,
    PLACES_KEY,
    QUEUE_KEY,
    WAKE_KEY,
    announced_key,
    job_key,
    line_key,
    retry_key,
    task_key,
)
from shared.storage.lua_script import LuaScript

JOB_NAME = "generate"
"""The one job name; its only argument is the generation id, which is also the job id."""

NO_LEASES = 1 << 53
"""A `leased_since_ms` with which every lease that has run out is left alone."""


def tell_other_lease(logger: logging.Logger, lease: float, other_ms: int) -> None:
    """Warns that this process' lease (seconds) is not that of the one which started before."""
    logger.warning(
        "MIDSTREAM_LEASE is %g s here and %g s in the process that started before: give all of them the same, "
        "or workers take over from each other what still runs",
        lease,
        other_ms / 1000,
    )


def encode_job(fields: dict[str, Any]) -> bytes:
    """Encodes a job for arq, as JSON: a pickle from whoever can write to Redis would run code in the worker."""
    return msgspec.json.encode(fields, enc_hook=lambda value: type(value).__name__)


def decode_job(data: bytes) -> dict[str, Any]:
    """Decodes a job for arq. Raises msgspec.DecodeError for anything but the JSON of one of our jobs."""
    fields = msgspec.json.decode(data, type=dict[str, Any])
    if fields.get("f") != JOB_NAME:
        raise msgspec.ValidationError("not a Midstream job")
    return fields


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
    """The queue and its indexes, on one Redis. Methods raise redis.exceptions.RedisError."""

    _enqueue = LuaScript("shared/queue/enqueue.lua")
    _take = LuaScript("shared/queue/take.lua")
    _renew = LuaScript("shared/queue/renew.lua")
    _finish = LuaScript("shared/queue/finish.lua")
    _remove = LuaScript("shared/queue/remove.lua")

    def __init__(self, redis: Redis, settings: Settings, durability: Durability | None = None) -> None:
        self.redis = redis
        self.indexes = Indexes(redis, settings)
        self.durability = durability or Durability(settings.lease)
        self.lease_ms = self.durability.lease_ms
        self.job_ttl_ms = int(settings.running_ttl * 1000)
        self._shares = Shares(settings)

    async def enqueue(self, generation_id: str, after_ms: int = 0, *, owner: str) -> bool:
        """Puts a generation's job into its owner's line and wakes a worker; returns False where it waits or runs.

        With `after_ms` nobody can take it until then, but a worker that has it can still take it back.
        """
        job = serialize_job(JOB_NAME, (generation_id,), {}, None, 0, serializer=encode_job)
        return bool(
            await self._enqueue(
                self.redis,
                [*LINE_KEYS, announced_key(owner)],
                [generation_id, owner, job_key(generation_id), job, self.job_ttl_ms, after_ms],
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
        """Leases up to `most` jobs: what a lost worker leaves, then the lines by turns.

        With `since_ms` it leases only what was enqueued since then, and the oldest first.

        After `until_ms` (Redis' clock) it does nothing: a Redis that was paused still gets what was sent meanwhile, and
        nobody would know of these leases. Leases that ran out before `leased_since_ms` are left alone.
        """
        least: list[str | int] = ["-inf" if since_ms is None else since_ms]
        least += ["" if ms is None else ms for ms in (until_ms, leased_since_ms)]
        raw = await self._take(
            self.redis,
            [*LINE_KEYS, PLACES_KEY],
            [worker, self.lease_ms, most, *least, self.durability.restored_ms, *self._shares.arguments],
        )
        jobs = [(job.decode(), int(float(score))) for job, score in zip(raw[2::2], raw[3::2], strict=True)]
        ahead = int(raw[1])
        return TakenJobs(jobs, int(raw[0]), ahead if ahead >= 0 else None, late=ahead == -2)

    async def renew(self, worker: str, job_ids: Sequence[str]) -> list[str]:
        """Renews leases in one step; returns the ids that another worker holds."""
        raw = await self._renew(self.redis, LINE_KEYS, [worker, self.lease_ms, *job_ids])
        return [job_id.decode() for job_id in raw]

    async def finish(self, worker: str, job_id: str, end: Literal["done", "back"]) -> bool:
        """Ends a job or returns it to the queue; returns False where another worker holds it."""
        return bool(
            await self._finish(
                self.redis,
                LINE_KEYS,
                [worker, job_id, job_key(job_id), retry_key(job_id), end],
            )
        )

    async def remove(self, generation_ids: Sequence[str]) -> int:
        """Takes generations that have ended out of their lines, but none that a worker has; returns how many."""
        if not generation_ids:
            return 0
        arguments = [text for i in generation_ids for text in (i, job_key(i), retry_key(i))]
        return int(await self._remove(self.redis, LINE_KEYS, arguments))

    async def wait(self, seconds: float) -> bool:
        """Blocks until a job is enqueued or given back, at most `seconds`. Needs a connection with a longer timeout."""
        blpop: Any = self.redis.blpop  # typed for whole seconds; Redis takes fractions since 6.0
        return await blpop([WAKE_KEY], timeout=seconds) is not None

    async def position(self, generation_id: str) -> int | None:
        """Returns the place in its owner's line, 1 for the next; None once a worker has it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zscore(QUEUE_KEY, generation_id)
            pipe.hexists(LEASES_KEY, generation_id)
            pipe.hget(LINE_OWNERS_KEY, generation_id)
            pipe.time()
            score, leased, owner, (seconds, microseconds) = await pipe.execute()
        if score is None or (leased and score > seconds * 1000 + microseconds / 1000):
            return None
        # What a lost worker leaves is taken first; what an earlier version has enqueued is soon found.
        ahead = None if owner is None else await self.redis.zrank(line_key(owner.decode()), generation_id)
        return (ahead or 0) + 1

    async def interrupt(self, generation_id: str) -> None:
        """Makes the worker that runs this generation look at its record now."""
        await self.redis.publish(INTERRUPTS_CHANNEL, generation_id)

    async def alone(self, task: str, seconds: float) -> bool:
        """Says whether this process may run, for so many seconds, a task that one worker is enough for."""
        key, ms = task_key(task), int(seconds * 1000)
        if await self.redis.set(key, "1", nx=True, px=ms):
            return True
        # Redis keeps the end of a key's time by its clock, and nobody has it for longer: the clock was set back.
        return await self.redis.pttl(key) > ms and bool(await self.redis.set(key, "1", px=ms))

    async def clock(self) -> tuple[int, int]:
        """Returns Redis' time in ms, and for how many ms it has been up."""
        return await read_clock(self.redis)

    async def server(self) -> ServerClock:
        """Returns the same, with the id of the server's run."""
        return await read_server(self.redis)

    async def compare_lease(self) -> int | None:
        """Notes this process' lease; returns that of the process which started before, in ms, where it differs."""
        before = await self.redis.set(LEASE_KEY, self.lease_ms, get=True)
        return int(before) if before is not None and int(before) != self.lease_ms else None
