"""How the queue does, by the status: what `midstream doctor` finds wrong with workers, lines, leases and providers."""

import time
from collections.abc import Iterator

from midstream.checks.finding import Finding
from midstream.checks.status_source import StatusSource
from midstream.errors import ClientError
from shared.counted import counted
from shared.queue.status import ProviderStatus, Status

LONG_WAIT_MS = 10_000
"""ms after which something that waits while a worker has a place is not taken any more: a worker looks each second, and
after a restart of Redis leaves for one lease what others may have."""
LONG_WAIT_FULL_MS = 30_000
"""ms of waiting from which on it is told that there are too few places."""
LONG_RUN_OUT_MS = 10_000
"""ms after which a lease that ran out is not taken over any more, beyond two leases."""
MUCH_PENDING = 0.8
"""Part of `max_pending` from which on it is warned of."""
RECENT_FAILURE_MS = 900_000
"""ms for which a provider that has not answered since its last failure counts as failing: later nobody asks it."""
LONGEST_LOOK_S = 15.0
"""Seconds for which workers are waited for, to show that they live."""
LOOK_S = 0.25
"""Seconds between two looks."""


class Watch:
    """The status as it was seen last, from one source."""

    def __init__(self, source: StatusSource) -> None:
        self.source = source
        self.last: Status | None = None

    def look(self) -> Status:
        """Reads the status. Raises ClientError."""
        self.last = self.source.read()
        return self.last

    def settled(self) -> Status:
        """Reads the status; where something waits, until each worker has shown that it lives, or counts no more.

        A worker that was stopped a moment ago counts as alive for a lease. Raises ClientError.
        """
        status = self.look()
        began = time.monotonic()
        first = {worker.name: worker.silent_ms for worker in status.workers.each}
        while status.queue.waiting and (unseen := _unseen(status, first, (time.monotonic() - began) * 1000)):
            if time.monotonic() - began > LONGEST_LOOK_S:
                break
            first = {name: first[name] for name in unseen}
            time.sleep(LOOK_S)
            status = self.look()
        return status


def _unseen(status: Status, first: dict[str, int], passed_ms: float) -> list[str]:
    """Returns which of the workers that were alive have neither beaten since the first look nor ceased to count."""
    return [
        worker.name
        for worker in status.workers.each
        if worker.name in first and worker.silent_ms >= first[worker.name] + passed_ms * 0.9 - 1
    ]


def examine(watch: Watch, program: str, *, told: bool = False) -> Iterator[Finding]:
    """Yields all findings. `program` is the command that starts a worker.

    Where the status cannot be had that is the only one, or with `told` none, as it is told why already.
    """
    try:
        status = watch.settled()
    except ClientError as error:
        if not told:
            yield Finding("fail", "queue", str(error), "look at its log")
        return
    yield from findings(status, program)


def findings(status: Status, program: str) -> Iterator[Finding]:
    """Yields what is found in a status, but of its Redis."""
    yield workers(status, program)
    yield queue(status)
    yield leases(status)
    yield pending(status)
    for provider in status.providers:
        yield answers(provider)


def workers(status: Status, program: str) -> Finding:
    """Returns a finding on whether workers are alive: a failure where something waits for one."""
    alive, waiting = status.workers.alive, status.queue.waiting
    if not alive:
        advice = f"start one with `{program}`; until then what is accepted waits"
        waits = f", and {counted(waiting, 'generation waits', 'generations wait')}" if waiting else ""
        return Finding("fail" if waiting else "warn", "workers", f"none is alive{waits}", advice)
    places = status.workers.places
    state = f"{alive} alive" + ("" if places is None else f", {counted(places, 'place', 'places')}")
    silent = [worker for worker in status.workers.each if worker.silent_ms > 2 * status.workers.beat_ms + 500]
    if silent:
        state += f", {len(silent)} of them silent for {seconds(max(worker.silent_ms for worker in silent))}"
        return Finding("warn", "workers", state, f"look at {silent[0].name}: is it stopped, or without CPU?")
    return Finding("ok", "workers", state)


def queue(status: Status) -> Finding:
    """Returns a finding on what waits, and for how long."""
    waiting, running, oldest = status.queue.waiting, status.queue.running, status.queue.oldest_wait_ms
    runs = f"{counted(running, 'runs', 'run')}"
    if not waiting:
        return Finding("ok", "queue", f"nothing waits, {runs}")
    state = f"{counted(waiting, 'waits', 'wait')}, {runs}"
    if oldest is None:  # all of it are leases that ran out
        return Finding("ok", "queue", state)
    state += f"; the oldest has waited for {seconds(oldest)}"
    free = None if status.workers.places is None else status.workers.places - running
    lines = status.lines.longest
    # Whose own limit it is that they wait is no failure of a worker.
    own = bool(lines) and len(lines) == status.lines.owners and all(line.is_held_back for line in lines)
    if own:
        return Finding("ok", "queue", f"{state}, by the limits of its owner")
    idle = running == 0 if free is None else free > 0
    if idle and oldest > max(LONG_WAIT_MS, 2 * status.leases.lease_ms):
        places = "while nothing runs" if free is None else f"while {counted(free, 'place is', 'places are')} free"
        return Finding("fail", "queue", f"{state}, {places}", "look at the workers' log: they take nothing")
    if oldest > LONG_WAIT_FULL_MS:
        advice = "start more workers, or raise MIDSTREAM_CONCURRENCY"
        return Finding("warn", "queue", f"{state}, as all places are taken", advice)
    return Finding("ok", "queue", state)


def leases(status: Status) -> Finding:
    """Returns a finding on leases that ran out and that nobody has taken over."""
    run_out, longest = status.leases.run_out, status.leases.longest_run_out_ms or 0
    if not run_out:
        return Finding("ok", "leases", "none has run out")
    state = f"{counted(run_out, 'has', 'have')} run out, the first {seconds(longest)} ago"
    if longest <= LONG_RUN_OUT_MS + 2 * status.leases.lease_ms:
        return Finding("ok", "leases", state)
    advice = "what they held goes on when a worker has a place for it: start more"
    return Finding("fail", "leases", f"{state}, and no worker has taken them over", advice)


def pending(status: Status) -> Finding:
    """Returns a finding on how near `max_pending` is, at which nothing more is accepted."""
    now, most = status.queue.pending, status.queue.max_pending
    state = f"{now} of {most} (max_pending)"
    if now < MUCH_PENDING * most:
        return Finding("ok", "pending", state)
    advice = "start more workers, or raise MIDSTREAM_MAX_PENDING; at the limit a POST is answered 429"
    return Finding("warn" if now < most else "fail", "pending", state, advice)


def answers(provider: ProviderStatus) -> Finding:
    """Returns a finding on whether a provider answers now."""
    subject, failed, answered = f"provider {provider.provider}, answers", provider.failed, provider.answered_ms_ago
    state = "has not answered yet" if answered is None else f"answered {seconds(answered)} ago"
    if failed is None:
        return Finding("ok", subject, state)
    last = f"last failure {seconds(failed.ms_ago)} ago ({failed.code}, {failed.model})"
    if not is_failing(provider):
        return Finding("ok", subject, f"{state}, {last}")
    for_ms = provider.circuit_open_ms
    opened = "" if for_ms is None else f"; its circuit is open for {seconds(for_ms)}"
    if for_ms is None and failed.ms_ago > RECENT_FAILURE_MS:
        return Finding("warn", subject, f"{last}, {state}", "nobody has asked it since: ask it once")
    return Finding("fail", subject, f"{last}, {state}{opened}", advice_on(failed.code))


def is_failing(provider: ProviderStatus) -> bool:
    """Says whether a provider's last failure is newer than its last answer, or its circuit is open."""
    if provider.failed is None:
        return False
    newer = provider.answered_ms_ago is None or provider.failed.ms_ago < provider.answered_ms_ago
    return newer or provider.circuit_open_ms is not None


def advice_on(code: str) -> str:
    """Returns what to do about a provider that fails with this code."""
    match code:
        case "authentication" | "permission":
            return "correct its key where the workers run"
        case "rate_limit" | "overloaded" | "quota":
            return "ask for a higher limit, or name other models as `fallback`"
        case "connection":
            return "look whether it can be reached from where the workers run, and at its base_url"
        case _:
            return "look at its status page, and name other models as `fallback`"


def seconds(ms: int) -> str:
    """Returns an age or a time as people read it."""
    if ms < 120_000:
        return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms // 1000} s"
    return f"{ms // 60_000} min" if ms < 7_200_000 else f"{ms // 3_600_000} h"
