"""What a fault must not do to those whom it does not strike: each rule yields an id, and what was seen of it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.history import Appended, Claimed, Fault

OWNED = ("CLAIMED", "CANCELLED", "EXHAUSTED", "INTERRUPTED")
"""Outcomes of a claim after which the log is its worker's."""
AFTER = 4.0
"""Leases after a jump in which a generation that is lost was lost by it."""
HELD = 3.0
"""Seconds without a delta that no frozen queue and no jump may cause. The models say 20 a second and more."""
RESUMED = 6.0
"""Seconds after a fault of the log's Redis in which a living worker writes again: a time-out and what follows it."""
QUIET = 15.0
"""Seconds after the last fault in which a POST has to be taken again."""


def needless(evidence: Evidence) -> list[tuple[Claimed, Claimed]]:
    """Attempts that took a generation from a worker to which nothing had been done since it claimed, with its own."""
    found = []
    for claims in evidence.claims.values():
        for before, claim in itertools.pairwise(claims):
            if claim.worker == before.worker or claim.start not in OWNED:
                continue
            struck = any(
                fault.target.split(" ")[0] == before.worker
                and fault.at < claim.at
                and (fault.until or fault.at) > before.at - 1
                for fault in evidence.faults
            )
            if not struck:
                found.append((before, claim))
    return found


def lost_by_a_jump(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """No living worker loses a generation as Redis' clock, or its queue's, jumps."""
    assert evidence.setup is not None
    lease = evidence.setup.lease
    jumps = [fault for fault in evidence.faults if fault.what == "redis_clock"]
    for before, claim in needless(evidence):
        for jump in jumps:
            at_once = before.at <= jump.at <= claim.at <= jump.at + AFTER * lease
            if at_once and not any(_of_redis(evidence, jump.at - AFTER * lease, claim.at)):
                yield (
                    claim.id,
                    f"{claim.worker} took it from {before.worker}, {claim.at - jump.at:.1f} s after the clock of "
                    f"{jump.target} had jumped {jump.detail}",
                )
                break


def held_up(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """No delta waits for a queue's Redis or a clock, nor for the log's Redis once that is whole again."""
    faults = [fault for fault in evidence.faults if fault.target in ("redis", "queue")]
    written: dict[str, list[Appended]] = defaultdict(list)
    for append in evidence.appends if faults else ():
        if append.outcome == "OK":
            written[append.id].append(append)
    for generation_id, appends in written.items():
        appends.sort(key=lambda append: append.at)
        for before, after in itertools.pairwise(appends):
            # Where no delta waited, the silence is the provider's.
            if after.at - before.at < HELD or not any(type == "delta" for type, _ in after.events):
                continue
            for fault in faults:
                since, waited = _waited(fault, before, after)
                # What was broken only later is no reason why it had not gone on by then.
                until = since + _limit(fault)
                if (
                    waited > _limit(fault)
                    and not _else_broken(evidence, fault, after.worker, fault.at - 1, until)
                    and (before.token == after.token or not _broke_off(evidence, before, until))
                ):
                    yield generation_id, f"{after.worker} wrote nothing for {waited:.1f} s of or after {fault.what}"
                    break


def _limit(fault: Fault) -> float:
    return HELD if fault.target == "queue" or fault.what == "redis_clock" else RESUMED


def _waited(fault: Fault, before: Appended, after: Appended) -> tuple[float, float]:
    """From when on, and for how many seconds, nothing was written although this fault is no reason, or no more."""
    whole = fault.until or fault.at
    if fault.target == "queue" and fault.what != "redis_clock":
        since = max(before.at, fault.at)
        return since, min(after.at, whole) - since
    # What comes of an attempt that ended is another rule's, but for a fail-over: that ends none.
    spans = before.at <= whole and (before.token == after.token or fault.what == "redis_failover")
    return whole, after.at - whole if spans else 0.0


def still_refused(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Once nothing is broken, whoever asks is taken."""
    quiet = max((fault.until or fault.at for fault in evidence.faults), default=0.0) + QUIET
    taken = {post.key for post in evidence.posts if post.status in (200, 202)}  # 200: in a dialect
    last = {post.key: post for post in evidence.posts if post.key not in taken}
    for key, post in last.items():
        if post.sent > quiet:
            yield key, f"was answered {post.status}, {post.sent - quiet + QUIET:.0f} s after the last fault"


def _else_broken(evidence: Evidence, but: Fault, worker: str, since: float, until: float) -> bool:
    return _apart_from_redis(evidence, worker, since, until) or any(
        fault.target == "redis" and fault is not but for fault in _of_redis(evidence, since, until)
    )


def _broke_off(evidence: Evidence, append: Appended, until: float) -> bool:
    """Whether the attempt that wrote this had a reason to end that no fault of a Redis is."""
    return _apart_from_redis(evidence, append.worker, append.at, until)


def _apart_from_redis(evidence: Evidence, worker: str, since: float, until: float) -> bool:
    return any(evidence.struck(worker, since, until, way) for way in ("redis", "simulator")) or any(
        fault.target == "simulator" for fault in _between(evidence.faults, since, until)
    )


def _of_redis(evidence: Evidence, since: float, until: float) -> Iterator[Fault]:
    """What was done to either Redis in this time, but for its clock."""
    for fault in _between(evidence.faults, since, until):
        if fault.target in ("redis", "queue") and fault.what != "redis_clock":
            yield fault


def _between(faults: Iterable[Fault], since: float, until: float) -> Iterator[Fault]:
    return (fault for fault in faults if fault.at <= until and (fault.until or fault.at) >= since)
