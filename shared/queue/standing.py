"""Reads how the queue stands, its workers, its providers, and each Redis, in two round trips."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.queue.status import (
    CountStatus,
    FailureStatus,
    LeaseStatus,
    LinesStatus,
    LineStatus,
    ProviderStatus,
    QueueStatus,
    Status,
    WorkersStatus,
    WorkerStatus,
)
from shared.queue.workers import beats_each, counts_for, longest_life
from shared.storage.keys import (
    ACTIVITY_KEY,
    ANSWERS_KEY,
    FAILURES_KEY,
    LEASE_KEY,
    LEASED_KEY,
    LEASES_KEY,
    LINES_KEY,
    PENDING_KEY,
    PLACES_KEY,
    QUEUE_KEY,
    WORKERS_KEY,
    circuit_key,
    line_key,
    running_key,
)
from shared.storage.lua_script import LuaScript
from shared.storage.redis_facts import read_facts

MAX_LOOKED = 1000
"""Entries of the queue, lines and workers that are looked at: a queue may have a million entries, and Redis waits."""
MAX_LINES = 20
"""Lines that are told of, the longest first."""
SHOWN_MS = 7 * 86_400_000
"""ms for which it is told how a provider did."""

_read = LuaScript("shared/queue/standing.lua")
_KEYS = [
    QUEUE_KEY,
    LEASES_KEY,
    LEASED_KEY,
    LINES_KEY,
    PENDING_KEY,
    WORKERS_KEY,
    PLACES_KEY,
    LEASE_KEY,
    FAILURES_KEY,
    ANSWERS_KEY,
    ACTIVITY_KEY,
]


class _Failure(msgspec.Struct):
    """A provider's last failure, as workers write it."""

    time: int
    code: str
    model: str


async def read_status(settings: Settings, redis: Redis, queue_redis: Redis) -> Status:
    """Reads how Midstream stands; both clients are the same one where they are one Redis.

    Raises redis.exceptions.RedisError.
    """
    facts = [read_facts(redis, ["logs", "queue"] if queue_redis is redis else ["logs"])]
    if queue_redis is not redis:
        facts.append(read_facts(queue_redis, ["queue"]))
    longest_ms = int(longest_life(settings.lease) * 1000)
    arguments: list[str | int] = [MAX_LOOKED, MAX_LINES, longest_ms, line_key(""), running_key("")]
    standing, *found = await asyncio.gather(_read(queue_redis, _KEYS, arguments), *facts)
    now_ms = int(standing[0])
    providers = list(_providers(now_ms, standing[12], standing[13]))
    await _look_at_circuits(queue_redis, now_ms, providers)
    return _status(settings, standing, providers, found)


def _status(settings: Settings, standing: list[Any], providers: list[ProviderStatus], found: list[Any]) -> Status:
    now, visible, running, oldest, run_out, over, pending, lease, alive, each, owners, lines, *_, activity = standing
    now_ms, lease_ms = int(now), int(lease) if lease else int(settings.lease * 1000)
    workers = [
        WorkerStatus(name=_text(name), places=int(places or 0) or None, silent_ms=_silent(now_ms, score, lease_ms))
        for name, score, places in each
    ]
    known = [worker.places for worker in workers if worker.places is not None]
    places = sum(known) if len(known) == alive else None
    counts = {_text(name): int(number) for name, number in _pairs(activity)}
    return Status(
        time=datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        queue=QueueStatus(
            waiting=visible,
            running=running,
            oldest_wait_ms=_age(now_ms, oldest),
            pending=pending,
            max_pending=settings.max_pending,
        ),
        leases=LeaseStatus(lease_ms=lease_ms, run_out=run_out, longest_run_out_ms=_age(now_ms, over)),
        workers=WorkersStatus(
            alive=alive, places=places, beat_ms=int(beats_each(lease_ms / 1000) * 1000), each=workers
        ),
        lines=LinesStatus(
            owners=owners,
            longest=[
                LineStatus(
                    owner=_text(owner),
                    waiting=waiting,
                    running=has,
                    oldest_wait_ms=_age(now_ms, since),
                    most_running=most_running(settings, _text(owner), places),
                )
                for owner, waiting, has, since in lines
            ],
        ),
        providers=providers,
        counts=CountStatus(started=counts.get("started", 0), ended=counts.get("ended", 0)),
        redis=found,
    )


def most_running(settings: Settings, owner: str, places: int | None) -> int | None:
    """Returns how many of an owner's generations may run at a time; None where nothing bounds them."""
    bounds = [settings.limits(owner).max_running]
    if settings.many_owners and places is not None:
        bounds.append(max(1, math.floor(settings.max_share * places)))
    return min((bound for bound in bounds if bound is not None), default=None)


def _providers(now_ms: int, failures: Sequence[bytes], answers: Sequence[bytes]) -> Iterator[ProviderStatus]:
    failed = {_text(provider): _failure(now_ms, told) for provider, told in _pairs(failures)}
    answered = {_text(provider): max(0, now_ms - int(ms)) for provider, ms in _pairs(answers)}
    for provider in sorted(failed.keys() | answered.keys()):
        failure, answer = failed.get(provider), answered.get(provider)
        if failure is not None and failure.ms_ago > SHOWN_MS:
            failure = None
        if answer is not None and answer > SHOWN_MS:
            answer = None
        if failure is not None or answer is not None:
            yield ProviderStatus(provider=provider, failed=failure, answered_ms_ago=answer, circuit_open_ms=None)


def _failure(now_ms: int, told: bytes) -> FailureStatus | None:
    try:
        failure = msgspec.json.decode(told, type=_Failure)
    except msgspec.DecodeError:
        return None  # of something else that writes there
    return FailureStatus(ms_ago=max(0, now_ms - failure.time), code=failure.code, model=failure.model)


async def _look_at_circuits(redis: Redis, now_ms: int, providers: Sequence[ProviderStatus]) -> None:
    failed = [provider for provider in providers if provider.failed is not None]
    if not failed:
        return
    async with redis.pipeline(transaction=False) as pipe:
        for provider in failed:
            assert provider.failed is not None
            pipe.hget(circuit_key(provider.failed.model), "until")
        for provider, until in zip(failed, await pipe.execute(), strict=True):
            left_ms = int(float(until)) - now_ms if until else 0
            provider.circuit_open_ms = left_ms if left_ms > 0 else None


def _silent(now_ms: int, score: bytes, lease_ms: int) -> int:
    return max(0, now_ms - (int(float(score)) - int(counts_for(lease_ms / 1000) * 1000)))


def _age(now_ms: int, since: bytes) -> int | None:
    return max(0, now_ms - int(float(since))) if since else None


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
