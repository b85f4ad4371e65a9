"""What is found in a status: of each thing the words and the level, and how long a doubtful one is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from midstream.checks import queue_check
from midstream.checks.finding import Finding
from midstream.checks.queue_check import Watch, answers, findings, leases, pending, queue, seconds, workers
from midstream.errors import UnreachableError
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


def status(
    *,
    waiting: int = 0,
    running: int = 0,
    oldest: int | None = None,
    pending: int = 0,
    run_out: int = 0,
    longest: int | None = None,
    silent: tuple[int, ...] = (100,),
    places: int | None = 10,
    lines: tuple[LineStatus, ...] = (),
) -> Status:
    each = [WorkerStatus(name=f"w{number}", places=places, silent_ms=ms) for number, ms in enumerate(silent)]
    return Status(
        time="2026-01-01T00:00:00.000Z",
        queue=QueueStatus(waiting=waiting, running=running, oldest_wait_ms=oldest, pending=pending, max_pending=100),
        leases=LeaseStatus(lease_ms=5000, run_out=run_out, longest_run_out_ms=longest),
        workers=WorkersStatus(alive=len(silent), places=places, beat_ms=1666, each=each),
        lines=LinesStatus(owners=len(lines), longest=list(lines)),
        providers=[],
        counts=CountStatus(started=0, ended=0),
        redis=[],
    )


def said(finding: Finding) -> tuple[str, str]:
    assert bool(finding.advice) is (finding.level != "ok")
    return finding.level, finding.state


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (status(silent=()), ("warn", "none is alive")),
        (status(silent=(), waiting=1), ("fail", "none is alive, and 1 generation waits")),
        (status(silent=(), waiting=20), ("fail", "none is alive, and 20 generations wait")),
        (status(places=None), ("ok", "1 alive")),
        (status(silent=(10, 20), places=1), ("ok", "2 alive, 1 place")),
        (status(silent=(10, 3000)), ("ok", "2 alive, 10 places")),
        (status(silent=(10, 4000)), ("warn", "2 alive, 10 places, 1 of them silent for 4.0 s")),
    ],
)
def test_workers(found: Status, expected: tuple[str, str]) -> None:
    assert said(workers(found, "midstream worker")) == expected


def test_who_lacks_a_worker_is_told_how_to_start_one() -> None:
    assert "`midstream worker`" in workers(status(silent=()), "midstream worker").advice


@pytest.mark.parametrize(
    ("found", "level", "end"),
    [
        (status(running=3), "ok", "nothing waits, 3 run"),
        (status(waiting=2, running=10, oldest=1500), "ok", "2 wait, 10 run; the oldest has waited for 1.5 s"),
        (status(waiting=1, running=1, oldest=9000), "ok", "waited for 9.0 s"),
        (status(waiting=1, running=1, oldest=11_000), "fail", "while 9 places are free"),
        (status(waiting=1, running=9, oldest=11_000), "fail", "while 1 place is free"),
        (status(waiting=1, running=10, oldest=29_000), "ok", "for 29 s"),
        (status(waiting=1, running=10, oldest=31_000), "warn", "as all places are taken"),
        # An older worker does not tell how many places it has.
        (status(waiting=1, running=0, oldest=11_000, places=None), "fail", "while nothing runs"),
        (status(waiting=1, running=1, oldest=11_000, places=None), "ok", "for 11 s"),
        (status(waiting=1, run_out=1), "ok", "1 waits, 0 run"),
    ],
)
def test_what_waits(found: Status, level: str, end: str) -> None:
    finding = queue(found)
    assert said(finding)[0] == level
    assert finding.state.endswith(end)


def line(owner: str, running: int, most: int | None) -> LineStatus:
    return LineStatus(owner=owner, waiting=5, running=running, oldest_wait_ms=60_000, most_running=most)


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        ((line("ann", 2, 2),), "ok"),
        ((line("ann", 2, 2), line("bob", 8, 8)), "ok"),
        ((line("ann", 2, 2), line("bob", 0, 8)), "fail"),
        ((line("ann", 2, None),), "fail"),
    ],
)
def test_who_waits_by_a_limit_of_its_own_waits_rightly(lines: tuple[LineStatus, ...], level: str) -> None:
    assert queue(status(waiting=5, running=2, oldest=60_000, lines=lines)).level == level


def test_of_owners_that_are_not_told_nobody_knows_why_they_wait() -> None:
    found = status(waiting=5, running=2, oldest=60_000, lines=(line("ann", 2, 2),))
    found.lines.owners = 2
    assert queue(found).level == "fail"


@pytest.mark.parametrize(("run_out", "longest", "level"), [(0, None, "ok"), (2, 19_000, "ok"), (2, 21_000, "fail")])
def test_leases(run_out: int, longest: int | None, level: str) -> None:
    assert said(leases(status(run_out=run_out, longest=longest)))[0] == level


@pytest.mark.parametrize(("now", "level"), [(0, "ok"), (79, "ok"), (80, "warn"), (99, "warn"), (100, "fail")])
def test_pending(now: int, level: str) -> None:
    assert said(pending(status(pending=now))) == (level, f"{now} of 100 (max_pending)")


def provider(failed: int | None, answered: int | None, opened: int | None = None, code: str = "x") -> ProviderStatus:
    failure = None if failed is None else FailureStatus(ms_ago=failed, code=code, model="p/m")
    return ProviderStatus(provider="p", failed=failure, answered_ms_ago=answered, circuit_open_ms=opened)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (provider(None, 500), ("ok", "answered 0.5 s ago")),
        (provider(9000, 500), ("ok", "answered 0.5 s ago, last failure 9.0 s ago (x, p/m)")),
        (provider(500, 9000), ("fail", "last failure 0.5 s ago (x, p/m), answered 9.0 s ago")),
        (provider(500, None), ("fail", "last failure 0.5 s ago (x, p/m), has not answered yet")),
        (provider(1_000_000, None), ("warn", "last failure 16 min ago (x, p/m), has not answered yet")),
        (
            provider(9000, 500, 20_000),
            ("fail", "last failure 9.0 s ago (x, p/m), answered 0.5 s ago; its circuit is open for 20 s"),
        ),
    ],
)
def test_a_provider(found: ProviderStatus, expected: tuple[str, str]) -> None:
    assert said(answers(found)) == expected


@pytest.mark.parametrize(
    ("code", "word"),
    [("authentication", "key"), ("rate_limit", "limit"), ("connection", "reached"), ("provider_error", "status page")],
)
def test_what_to_do_about_a_provider(code: str, word: str) -> None:
    assert word in answers(provider(1, None, code=code)).advice


def test_each_thing_has_a_line() -> None:
    found = status()
    found.providers = [provider(None, 1)]
    assert [one.subject for one in findings(found, "x")] == [
        "workers", "queue", "leases", "pending", "provider p, answers",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0.0 s"), (9999, "10.0 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h")]
)
def test_ages(ms: int, text: str) -> None:
    assert seconds(ms) == text


class Scripted:
    """A source whose time passes by looks: each gives what `of` makes of its number."""

    def __init__(self, of: Callable[[int], Status | Exception]) -> None:
        self.of, self.looks = of, 0

    def read(self) -> Status:
        self.looks += 1
        found = self.of(self.looks - 1)
        if isinstance(found, Exception):
            raise found
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves."""
    now = [100.0]

    def sleep(amount: float) -> None:
        now[0] += amount

    monkeypatch.setattr("midstream.checks.queue_check.time.monotonic", lambda: now[0])
    monkeypatch.setattr("midstream.checks.queue_check.time.sleep", sleep)
    return now


@pytest.mark.usefixtures("clock")
def test_a_worker_that_was_stopped_just_now_is_found_out() -> None:
    def stopped(look: int) -> Status:
        ms = look * 250
        return status(waiting=20, oldest=ms, silent=(ms,) if ms < 5000 else ())

    source = Scripted(stopped)
    level = {one.subject: one.level for one in queue_check.examine(Watch(source), "x")}
    assert level["workers"] == "fail"
    assert source.looks == 21


@pytest.mark.usefixtures("clock")
def test_a_worker_that_lives_is_soon_believed() -> None:
    source = Scripted(lambda look: status(waiting=20, oldest=100, running=10, silent=((look * 250) % 1666,)))
    watch = Watch(source)
    level = {one.subject: one.level for one in queue_check.examine(watch, "x")}
    assert set(level.values()) == {"ok"}
    assert source.looks == 8
    assert watch.last is not None
    assert watch.last.workers.each[0].silent_ms == 1750 - 1666


@pytest.mark.usefixtures("clock")
def test_one_look_is_enough_where_nothing_waits() -> None:
    source = Scripted(lambda _: status(silent=(4000,)))
    assert {one.level for one in queue_check.examine(Watch(source), "x")} == {"warn", "ok"}
    assert source.looks == 1


@pytest.mark.usefixtures("clock")
def test_nobody_is_waited_for_longer_than_a_command_may_take() -> None:
    source = Scripted(lambda look: status(waiting=1, oldest=1, silent=(look * 250,)))
    list(queue_check.examine(Watch(source), "x"))
    assert 250 * source.looks <= 1000 * queue_check.LONGEST_LOOK_S + 1000


@pytest.mark.parametrize("told", [False, True])
def test_a_status_that_cannot_be_had_is_told_once(told: bool) -> None:
    source: Any = Scripted(lambda _: UnreachableError("Redis does not say", retryable=True))
    found = list(queue_check.examine(Watch(source), "x", told=told))
    assert [(one.level, one.subject) for one in found] == [] if told else [("fail", "queue")]
