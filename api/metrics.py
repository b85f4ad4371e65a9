"""An API's metrics: an observer that counts, gauges of what is open, and what Redis says of the queue."""

import time
from collections.abc import Callable
from typing import get_args

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.observer import CutReason, Observer
from shared.config.settings import Settings
from shared.metrics.label_names import LabelNames
from shared.metrics.redis_times import redis_times
from shared.metrics.tallies import Counts, Level, Tally, Times
from shared.storage.keys import QUEUE_KEY

MAX_OWNERS = 1000
SEND_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LIMIT_CODES = ("rate_limited", "queue_full", "too_many_viewers", "budget_exhausted")
REFUSED = "refused"
"""In place of route and method, of what never became a request."""


class ApiMetrics(Observer):
    """Counts what an API does."""

    def __init__(self, settings: Settings) -> None:
        owner = ("owner",) if settings.metrics_owners else ()
        self._owners = LabelNames(MAX_OWNERS) if settings.metrics_owners else None
        self._depth: int | None = None
        self.ahead_s: float | None = None
        """By how many seconds the clock of the logs' Redis is ahead of this process' monotonic one, once known."""
        self.redis = redis_times()
        self.send = Times(
            "midstream_append_to_send_seconds",
            "From when a worker takes a delta in to when this node has written it to its viewers, by Redis' clock; of "
            "one delta in 16.",
            SEND_S,
        )
        self.resumes = Counts("midstream_resumes_total", "Streams that were opened with the id of a last event.")
        self.cuts = Counts(
            "midstream_viewers_cut_total",
            "Viewers whose connection this node has ended at once.",
            ("reason",),
            [(reason,) for reason in get_args(CutReason)],
        )
        self.limits = Counts(
            "midstream_limited_total",
            "Requests that were refused for a limit, by the code of their 429.",
            ("code", *owner),
            () if owner else [(code,) for code in LIMIT_CODES],
        )
        self.requests = Counts(
            "midstream_http_requests_total",
            "Answers that have begun, by the template of their route; `other` is no route, and `refused` what never "
            "became a request.",
            ("route", "method", "status"),
        )

    def tallies(self, viewers: Callable[[], float]) -> list[Tally]:
        """Returns all that is served."""
        return [
            Level(
                "midstream_queue_depth",
                "Generations that wait for a worker, of all nodes together: take the greatest and not the sum. Absent "
                "where Redis does not say.",
                lambda: self._depth,
            ),
            self.send,
            Level("midstream_viewers", "Streams that are open on this node.", viewers),
            self.resumes,
            self.cuts,
            self.limits,
            self.redis,
            self.requests,
        ]

    async def look(self, logs: Redis, queue: Redis) -> None:
        """Asks the logs' Redis for its time, and the queue's for its depth."""
        self._depth = None
        try:
            sent = time.monotonic()
            seconds, microseconds = await logs.time()
            # It read its clock somewhere between.
            self.ahead_s = seconds + microseconds / 1e6 - (sent + time.monotonic()) / 2
            if queue is not logs:
                seconds, microseconds = await queue.time()
            # An entry's score is the time from which it may be taken: that of a lease is ahead.
            self._depth = await queue.zcount(QUEUE_KEY, "-inf", seconds * 1000 + microseconds // 1000)
        except RedisError:
            pass  # its value is missing, and its times stand still

    def answered(self, route: str, method: str, status: int) -> None:
        self.requests.add(route or REFUSED, method or REFUSED, str(status))

    def limited(self, code: str, owner: str) -> None:
        self.limits.add(code, *(() if self._owners is None else (self._owners.admit(owner),)))

    def opened(self, *, resumed: bool) -> None:
        if resumed:
            self.resumes.add()

    def cut(self, reason: CutReason) -> None:
        self.cuts.add(reason)
