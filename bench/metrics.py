"""What metrics cost a delta: the calls that they add to its way, timed in this process.

    python -m bench.metrics [--deltas 200000] [--rounds 5]

`python -m bench.pipeline --only Midstream --variant MIDSTREAM_METRICS_PORT=0` has the whole way, with them and without,
in which they are less than two runs differ by; it also says what a delta costs in all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

from api.metrics import ApiMetrics
from api.viewing.known_log import KnownLog
from api.viewing.send_times import SendTimes
from shared.config.settings import Settings
from shared.log.events import Delta
from worker.metrics import WorkerMetrics
from worker.running.provider_call import Pace
from worker.writing.observer import Observer

DELTA = Delta(part=0, kind="text", delta="word ")
MESSAGE = b'1796010926227-7 1796010926227-8\ndelta\n{"part":0,"kind":"text","delta":"word ","t":250}'


class Watched(KnownLog):
    """A log that somebody watches: each timed delta is timed to its end."""

    @property
    def watched(self) -> bool:
        return True


def piece(observer: Observer) -> Callable[[float], None]:
    """A worker hears a piece of an answer: at each delta."""
    pace, events = Pace(observer), [DELTA]
    return lambda now: pace.heard(events, now)


def round_trip(metrics: WorkerMetrics) -> Callable[[float], None]:
    """A worker's round trip of appends, and what its Redis took: of many deltas under load."""

    def take(now: float) -> None:
        metrics.answered(0.0007)
        metrics.redis.take(0.0007, "logs")

    return take


def publication(metrics: ApiMetrics) -> Callable[[float], None]:
    """An API hears of a delta, and has sent one in 16."""
    times, known = SendTimes(metrics.send.take, lambda: 1.0), Watched()

    def hear(now: float) -> None:
        times.published(known, MESSAGE)
        if known.sent is not None:
            known.sent()
            known.sent = None

    return hear


def took_ns(call: Callable[[float], None], deltas: int, rounds: int) -> float:
    """The median of some rounds, in ns a call, without the loop's own."""

    def run(what: Callable[[float], None]) -> float:
        began = time.process_time()
        for number in range(deltas):
            what(number * 0.02)
        return (time.process_time() - began) / deltas * 1e9

    return median(run(call) - run(lambda now: None) for _ in range(rounds))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--deltas", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    settings = Settings()
    worker, api = WorkerMetrics(settings), ApiMetrics(settings)
    calls = {
        "worker, each piece, without metrics": piece(Observer()),
        "worker, each piece": piece(worker),
        "worker, each round trip": round_trip(worker),
        "API, each publication": publication(api),
    }
    for name, call in calls.items():
        print(f"{name:40} {took_ns(call, options.deltas, options.rounds):6.0f} ns")


if __name__ == "__main__":
    main()
