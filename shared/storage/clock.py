"""Redis' clock, and since when it can be believed: Redis may restart without its last second, and its clock be set.

INFO's uptime goes by Redis' wall clock: after it was set 600 s back, uptime is -595 s, and nothing would be healed
until it is past zero. So a restart is recognised by `run_id`, and the time since then is counted by this process'
monotonic clock, from when it first saw that id (docs/decisions/0022-how-time-is-believed.md).
"""

import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.exceptions import ResponseError

CLOCK_SET_MS = 2000
"""ms by which Redis' time must move against this process' monotonic clock to have been set."""
UPTIME_ERROR_MS = 2000
"""ms by which a server may have been up for longer than is known: INFO counts whole seconds, and we may come late."""
SLOW_ANSWER_S = 0.5
"""Seconds that an answer takes from which on it is unknown when Redis read its clock."""
MAX_SERVERS = 64
"""Servers that are remembered; past it the one that was seen first is forgotten."""


class ServerClock(NamedTuple):
    """What a Redis says of itself and the time."""

    now_ms: int
    up_ms: int
    """For how many ms it has been up at least, and its clock has not been set; for ever, where it has no INFO."""
    run_id: str | None
    """Another one after each restart, and on each server; None where it has no INFO."""

    def young(self, for_ms: int) -> bool:
        """Says whether it came back, or its clock was set, within so many ms: it may lack what others write again."""
        return self.up_ms < for_ms

    def left_ms(self, for_ms: int) -> int:
        """Returns the ms until it is no longer young."""
        return max(0, for_ms - self.up_ms)

    @property
    def began_ms(self) -> int:
        """Since when it has been up and its clock not been set: ms on its own clock."""
        return self.now_ms - self.up_ms

    def began_after(self, moment: float) -> bool:
        """Says whether it surely came back after this moment (time.monotonic)."""
        return self.up_ms + UPTIME_ERROR_MS <= (time.monotonic() - moment) * 1000


@dataclass(slots=True)
class _SeenRun:
    """What this process knows of one run of a server."""

    at: float
    """When this was so (time.monotonic)."""
    up_ms: float
    ahead_ms: float
    """Its time less this process' monotonic clock."""


_seen_runs: OrderedDict[str, _SeenRun] = OrderedDict()
_asked: WeakKeyDictionary[Redis, str] = WeakKeyDictionary()
"""By client, the run that it saw last."""


async def read_server(redis: Redis) -> ServerClock:
    """Reads the server's time, and since when that and its data can be believed. Raises redis.exceptions.RedisError."""
    sent = time.monotonic()
    seconds, microseconds = await redis.time()
    now_ms = seconds * 1000 + microseconds // 1000
    got = time.monotonic()
    try:
        info = await redis.info("server")
    except ResponseError:
        return ServerClock(now_ms, sys.maxsize, None)
    run_id = str(info["run_id"]) if "run_id" in info else None
    if run_id is None:
        return ServerClock(now_ms, _claimed_ms(info), None)
    another = _asked.get(redis, run_id) != run_id
    _asked[redis] = run_id
    if another:
        # One that was there before may be back after a fail-over, without the last writes of the one between.
        _seen_runs.pop(run_id, None)
    return ServerClock(now_ms, _seen(run_id, 0 if another else _claimed_ms(info), now_ms, sent, got), run_id)


async def read_clock(redis: Redis) -> tuple[int, int]:
    """Reads the server's time in ms, and for how many ms it has been up at least, as `ServerClock` has them."""
    server = await read_server(redis)
    return server.now_ms, server.up_ms


def seen_ms(info: Mapping[str, Any]) -> float | None:
    """Returns for how many ms this process has known the server's run, by its INFO; None where it has not seen it."""
    seen = _seen_runs.get(str(info.get("run_id")))
    return None if seen is None else (time.monotonic() - seen.at) * 1000


def _claimed_ms(info: Mapping[str, Any]) -> int:
    # It counts whole seconds, by the clock's and not from its start: of up to one of them, nothing has passed yet.
    return max(0, int(info["uptime_in_seconds"]) - 1) * 1000


def _seen(run_id: str, claimed_ms: int, now_ms: int, sent: float, got: float) -> int:
    """Notes a look at a run, which took from `sent` to `got`; returns for how many ms the run is known to be up."""
    seen = _seen_runs.get(run_id)
    ahead_ms = now_ms - got * 1000
    if seen is None:
        # What it says of itself counts at a process' first look only: the process may have come long after it.
        seen = _seen_runs[run_id] = _SeenRun(got, claimed_ms, ahead_ms)
        if len(_seen_runs) > MAX_SERVERS:
            _seen_runs.popitem(last=False)
    elif got - sent < SLOW_ANSWER_S:
        if abs(ahead_ms - seen.ahead_ms) > CLOCK_SET_MS:
            seen.at, seen.up_ms = got, 0
        seen.ahead_ms = ahead_ms
    return int(seen.up_ms + (got - seen.at) * 1000)
