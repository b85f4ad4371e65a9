"""Rounds: subjects in turns, each when the machine is its own, and again where it was not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.environments import Unavailable
from bench.machine import calibrate
from bench.results import DISTURBED, Report

AGAIN = 2
"""Times that a run is repeated which was disturbed."""
WAIT_S = 60.0
"""Seconds for which a run waits for others to leave the machine alone."""


async def alternate(
    report: Report,
    subjects: Sequence[str],
    rounds: int,
    measure: Callable[[str], Awaitable[None]],
    load: str,
    *,
    wait_s: float = WAIT_S,
) -> None:
    """Measure each in each round, in turned order every second round, so that a drift strikes all alike.

    One that fails is left out of this load from then on, with its reason.
    """
    for turn in range(rounds):
        for subject in subjects if turn % 2 == 0 else [*reversed(subjects)]:
            name = f"{subject}, {load}"
            if name in report.missing:
                continue
            reason = await undisturbed(report, measure, subject, wait_s)
            if reason is not None:
                report.missing[name] = reason


async def undisturbed(
    report: Report, measure: Callable[[str], Awaitable[None]], subject: str, wait_s: float
) -> str | None:
    """One run, repeated where the host gave its time to others. Why there is none, or None where there is.

    Which runs are repeated depends on the host's own count of what it took (/proc/stat), not on what was measured.
    """
    reasons: list[str] = []
    for _ in range(1 + AGAIN):
        await quiet(report, wait_s)
        report.begin()
        try:
            await measure(subject)
        except Unavailable as error:
            return str(error)
        except (TimeoutError, RuntimeError, AssertionError, OSError) as error:
            reasons.append(str(error) or type(error).__name__)
        else:
            reasons.append("")
        if report.stolen <= DISTURBED:
            break
    return None if "" in reasons else reasons[-1]


async def quiet(report: Report, wait_s: float) -> None:
    """Wait, for a while at most, until what is wanted here is had here."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        report.begin()
        for _ in range(5):
            calibrate()
        if report.stolen <= DISTURBED:
            return
        await asyncio.sleep(1.0)
