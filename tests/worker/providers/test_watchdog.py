"""When a call to a silent provider is ended, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from shared.config.settings import Settings
from shared.log.events import Delta, Part, Raw, Response
from shared.request.generation_request import GenerationRequest
from worker.providers.provider import Pause, ProviderEvent
from worker.providers.watchdog import SilenceLimits, Watchdog, silence_limits

WORD = Delta(part=0, kind="text", delta="x")
SLACK = 1.0
"""Seconds by which it may be late."""


@dataclass
class Watched:
    """A watchdog that watches since the beginning of a clock of its own."""

    watchdog: Watchdog
    start: float
    now: float

    def at(self, seconds: float, events: list[ProviderEvent]) -> None:
        """Something comes so many seconds after the beginning."""
        self.now = self.start + seconds
        self.watchdog.heard(events)

    @property
    def ends(self) -> float | None:
        """Seconds after the beginning at which the call ends."""
        when = self.watchdog.timeout.when()
        return None if when is None else when - self.start

    def verdict(self, seconds: float) -> str:
        """What is said of an end so many seconds after the beginning."""
        before, self.now = self.now, self.start + seconds
        try:
            return self.watchdog.verdict
        finally:
            self.now = before


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    loop = asyncio.get_running_loop()
    clock = Watched.__new__(Watched)
    clock.start = clock.now = loop.time()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", lambda: clock.now)
        clock.watchdog = Watchdog(SilenceLimits(before=60, after=30, silence=300))
        async with clock.watchdog.timeout:
            yield clock
            clock.watchdog.timeout.reschedule(None)


def about(seconds: float) -> object:
    return pytest.approx(seconds + SLACK / 2, abs=SLACK / 2 + 1e-6)


async def test_true_silence_before_the_first_word_and_after_it(watched: Watched) -> None:
    assert watched.ends == about(60)
    watched.at(50, [Response(response_id="r"), Part(part=0, kind="text")])
    assert watched.ends == about(110)
    watched.at(100, [WORD])
    assert watched.ends == about(130)
    watched.at(129, [WORD])
    assert watched.ends == about(159)


async def test_signs_of_life_count_up_to_a_bound(watched: Watched) -> None:
    for second in range(0, 290, 10):
        watched.at(second, [])
        assert watched.ends == about(min(second + 60, 300))
    watched.at(299, [])
    assert watched.ends == about(300)
    assert watched.verdict(301) == "sent nothing of an answer for 300 s"


async def test_what_is_no_part_of_an_answer_does_not_move_the_bound(watched: Watched) -> None:
    for second in range(0, 290, 10):
        watched.at(second, [Raw(protocol="p", data={"type": "heartbeat"})])
    assert watched.ends == about(300)
    watched.at(290, [WORD])
    watched.at(310, [])
    assert watched.ends == about(340)
    assert watched.verdict(341) == "sent nothing for 30 s"


async def test_a_pause_is_waited_for_and_no_longer(watched: Watched) -> None:
    watched.at(1, [WORD])
    watched.at(1, Pause(100))
    watched.at(20, [])
    assert watched.ends == about(101)
    watched.at(90, [])
    assert watched.ends == about(120)
    watched.at(91, Pause(100))
    watched.at(92, [WORD])
    watched.at(94, [])
    assert watched.ends == about(124)


async def test_who_else_is_slow_is_not_the_providers_silence(watched: Watched) -> None:
    watched.at(1, [WORD])
    watched.watchdog.rest()
    assert watched.ends is None
    watched.now = watched.start + 1000
    watched.watchdog.wake()
    assert watched.ends == about(1030)


@pytest.mark.parametrize(
    ("request_", "entry", "setting", "expected"),
    [
        (None, None, None, (60, 30, 300)),
        (None, None, 7, (7, 7, 300)),
        (None, 8, 7, (8, 8, 300)),
        (9, 8, 7, (9, 9, 300)),
        (600, None, None, (600, 600, 600)),
        (None, 400, None, (400, 400, 400)),
        (None, None, 400, (400, 400, 300)),
    ],
)
def test_whose_patience_counts(
    request_: float | None, entry: float | None, setting: float | None, expected: tuple[float, float, float]
) -> None:
    asked = GenerationRequest.model_validate(
        {"model": "a/b", "messages": [{"role": "user", "content": "x"}], "idle_timeout": request_}
    )
    assert silence_limits(asked.idle_timeout, entry, Settings(idle_timeout=setting)) == expected
