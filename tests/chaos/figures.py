"""The figures of a run: what was done to it, and what came of it."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Sequence

from tests.chaos.checker import Checker
from tests.chaos.dialect_rules import tries_paid
from tests.chaos.evidence import Evidence
from tests.chaos.history import Resources, View
from tests.chaos.spoken import SPOKEN
from tests.chaos.undisturbed import OWNED, needless

STALLS = {
    "a Redis restart": ("redis_kill", "redis_loading"),
    "a fail-over": ("redis_failover",),
    "a Redis away for more than a minute": ("redis_outage",),
    "a Redis that refuses writes": ("redis_misconf", "redis_oom"),
    "a jump of Redis' clock": ("redis_clock",),
    "a queue's Redis frozen or killed": ("queue_pause", "queue_kill"),
}
"""Faults over which viewers should hardly notice anything."""

IN_CONVERSATIONS = (
    "conversations", "turns", "followers", "reconnects of followers", "resets of followers", "told beside another turn",
)  # fmt: skip
IN_DIALECTS = ("reconnects in a dialect", "epochs refused")
STALL = 0.2
"""Seconds without an event from which on it is a stall."""


def summary(evidence: Evidence, checker: Checker) -> list[tuple[str, str]]:
    """Name and value of each figure."""
    assert evidence.setup is not None
    faults, counts = Counter(fault.what for fault in evidence.faults), checker.counts
    taken, disturbed = takeovers(evidence)
    limit = evidence.setup.lease + 1
    in_time = sum(seconds <= limit for seconds in taken)
    without_one = {v.id for v in checker.violations if v.rule in ("terminal", "ended")}
    rows = [
        ("seed", str(evidence.setup.seed)),
        ("faults", ", ".join(f"{n} {what}" for what, n in sorted(faults.items())) or "none"),
        ("generations", _of(counts, "generations", "completed", "failed", "cancelled")),
        ("events", _of(counts, "events", "lost", "duplicated", "reordered")),
        ("viewers", _of(counts, "viewers", "reconnects", "resets") + f", wrong viewers {len(checker.wrong_viewers)}"),
        ("clients of dialects", _of(counts, *(f"viewers in {name}" for name in SPOKEN), *IN_DIALECTS)),
        ("followers of conversations", _of(counts, *IN_CONVERSATIONS)),
        ("questions in a dialect, and generations more than these", "{}, {}".format(*tries_paid(evidence))),
        ("generations without exactly one terminal event", str(len(without_one))),
        ("accepted minus ended", str(counts["not ended"])),
        ("zombie appends tried → accepted", f"{counts['zombie appends']} → {counts['zombie appends accepted']}"),
        (
            "takeover p50 / p99 / max",
            f"{_spread(taken)} ({in_time} of {len(taken)} within lease + 1 s, which is {limit:g} s)",
        ),
        ("takeovers while something else was broken", f"{_spread(disturbed)} (n={len(disturbed)})"),
        ("attempts taken from a worker that nothing was done to", str(len(needless(evidence)))),
    ]
    for name, kinds in STALLS.items():
        if any(faults[kind] for kind in kinds):
            stall = longest_stall(evidence, *kinds)
            rows.append(
                (f"longest viewer stall over {name}", "{:.1f} s, {:.1f} s where more was broken".format(*stall))
            )
    clients = ("generations that clients added up", "conversations that clients had open")
    if any(counts[name] for name in clients):
        rows.append(("what clients made of it", _of(counts, *clients)))
    for excuse in ("told what a killed Redis forgot", "lost with both its node and Redis"):
        if counts[excuse]:
            rows.append((excuse, str(counts[excuse])))
    return rows + _resources(evidence.resources)


def takeovers(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Seconds from a worker's death to the next attempt of each generation it ran: undisturbed, and the others."""
    assert evidence.setup is not None
    undisturbed: list[float] = []
    disturbed: list[float] = []
    limit = evidence.setup.lease + 1
    for fault in evidence.faults:
        if fault.what not in ("worker_kill", "worker_pause"):
            continue
        alone = _helpers(evidence, fault.target, fault.at, fault.at + limit) == 0
        other = any(
            o is not fault and o.what.startswith(("redis", "queue", "way")) and "viewers" not in o.target
            and o.at < fault.at + limit and (o.until or o.at) > fault.at - limit
            for o in evidence.faults
        )  # fmt: skip
        for seconds in _taken_from(evidence, fault.target, fault.at):
            (disturbed if alone or other else undisturbed).append(seconds)
    return undisturbed, disturbed


def _taken_from(evidence: Evidence, worker: str, at: float) -> list[float]:
    seconds = []
    for generation_id, claims in evidence.claims.items():
        before = [claim for claim in claims if claim.at < at and claim.start in OWNED]
        after = [claim for claim in claims if evidence.claimed(claim) > at]
        log = evidence.log(generation_id)
        if not before or before[-1].worker != worker or not after:
            continue
        # Where its last attempt had sealed the log or handed it over, nobody would have come.
        if log and not log[-1].id.startswith(f"{before[-1].token}-"):
            seconds.append(evidence.claimed(after[0]) - at)
    return seconds


def _helpers(evidence: Evidence, but: str, since: float, until: float) -> int:
    assert evidence.setup is not None
    others = set(evidence.setup.workers) - {but}
    for fault in evidence.faults:
        if fault.at < until and (fault.until or fault.at) > since:
            others.discard(fault.target)
    return len(others)


def longest_stall(evidence: Evidence, *kinds: str) -> tuple[float, float]:
    """The longest time in s that a viewer heard no event, with a fault of these kinds in it: of those in which nothing
    else was broken, and of all.
    """
    alone = everything = 0.0
    for views in evidence.viewers.values():
        for before, after in _gaps(views):
            if after - before <= max(alone, STALL):
                continue  # most of millions
            broken = {f.what for f in evidence.faults if f.at < after and (f.until or f.at) > before}
            if broken & set(kinds):
                everything = max(everything, after - before)
                if broken <= set(kinds):
                    alone = max(alone, after - before)
    return alone, everything


def _gaps(views: Sequence[View]) -> list[tuple[float, float]]:
    times = [event.at for view in views for event in view.events if event.id]
    return list(itertools.pairwise(times))


def _of(counts: Counter[str], *names: str) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in names)


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    return f"{statistics.median(ordered):.2f} / {p99:.2f} / {ordered[-1]:.2f} s"


def _resources(samples: list[Resources]) -> list[tuple[str, str]]:
    rows = []
    for process in sorted({sample.process for sample in samples}):
        mine = sorted((s for s in samples if s.process == process), key=lambda s: s.at)
        # A process that was started again begins anew: what grows shows within one life.
        lives = [[s for s in mine if s.pid == pid] for pid in dict.fromkeys(s.pid for s in mine)]
        life = max(lives, key=lambda life: life[-1].at - life[0].at)
        last = life[-1]
        # After the first fifth everything has been there once: what grows from then on does not stop.
        first = life[len(life) // 5]
        more = f", keys {first.keys} → {last.keys}" if last.keys is not None else ""
        if last.tasks is not None:
            asked = [sample for sample in life if sample.tasks is not None]
            more = f", tasks {asked[len(asked) // 5].tasks} → {last.tasks}"
        rows.append(
            (
                f"{process} over {last.at - first.at:.0f} s",
                f"memory {first.memory_kb // 1024} → {last.memory_kb // 1024} MB, "
                f"descriptors {first.descriptors} → {last.descriptors}{more}",
            )
        )
    return rows
