"""What `top` shows of a status: a line for each thing, tables, and nothing that a terminal obeys."""

from __future__ import annotations

import pytest

from midstream.output.top_view import MAX_NAME_CHARS, MAX_ROWS, Rates, Screen, Trouble, age, lines, name
from shared.queue.status import FailureStatus, LineStatus, ProviderStatus, Status, WorkerStatus
from tests.midstream.checks.test_server_check import STATUS


def status() -> Status:
    return Status.model_validate(STATUS)


def shown(found: Status, rates: Rates | None = None, *troubles: Trouble) -> list[str]:
    return [line.plain for line in lines(found, rates, troubles)]


def test_a_line_for_each_thing() -> None:
    assert shown(status(), Rates(1.25, 0.5)) == [
        "midstream  2026-01-01T00:00:00.000Z",
        "queue      0 wait, the oldest for -; 1 runs; 2 of 100 pending",
        "rates      1.2 started/s, 0.5 ended/s",
        "workers    2 alive, 20 places",
        "redis      logs and queue: Valkey 9.1.2, appendonly yes, everysec, noeviction, 0.0 MB of no limit",
    ]
    assert shown(status())[2] == "rates      -"
    hidden = status()
    hidden.redis[0] = type(hidden.redis[0])(serves=["queue"])
    assert shown(hidden)[-1] == "redis      queue: hides how it is set up"


def test_what_is_wrong_is_coloured_by_how_wrong_it_is() -> None:
    fail, warn = list(lines(status(), None, [Trouble(True, "a: b"), Trouble(False, "c: d")]))[-2:]
    assert (fail.plain, fail.style) == ("fail       a: b", "red")
    assert (warn.plain, warn.style) == ("warn       c: d", "yellow")


def test_tables_of_owners_providers_and_workers() -> None:
    found = status()
    found.lines.owners = 30
    found.lines.longest = [
        LineStatus(owner=f"o{number}", waiting=9, running=2, oldest_wait_ms=1500, most_running=8)
        for number in range(20)
    ]
    failed = FailureStatus(ms_ago=400, code="overloaded", model="p/m")
    found.providers = [
        ProviderStatus(provider="p", failed=failed, answered_ms_ago=None, circuit_open_ms=9000),
        ProviderStatus(provider="q", failed=None, answered_ms_ago=200_000, circuit_open_ms=None),
    ]
    found.workers.each = [
        WorkerStatus(name="w1", places=None, silent_ms=100),
        WorkerStatus(name="w2", places=5, silent_ms=2000),
    ]
    text = shown(found)
    at = text.index("OWNER  WAITING  RUNNING  AT MOST  OLDEST")
    assert text[at + 1] == "o0           9        2        8   1.5 s"
    assert text[at + MAX_ROWS + 1] == "and 20 more"
    at = text.index("PROVIDER  ANSWERED  FAILED        CODE  MODEL  CIRCUIT OPEN")
    assert text[at + 1].split() == ["p", "-", "0.4", "s", "overloaded", "p/m", "9.0", "s"]
    assert text[at + 2].split() == ["q", "3", "min", "-", "-", "-", "-"]
    at = text.index("WORKER  PLACES  SILENT")
    assert [row.split()[0] for row in text[at + 1 :]] == ["w2", "w1"], "the most silent first"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("a\nfail b", r"a\nfail b"),
        ("\u202eabc", r"\u202eabc"),
        ("[red]x[/red]", "[red]x[/red]"),
        ("x" * 500, "x" * (MAX_NAME_CHARS - 1) + "…"),
    ],
)
def test_a_name_of_others_is_obeyed_by_no_terminal(text: str, expected: str) -> None:
    assert name(text) == expected
    found = status()
    found.lines.owners = 1
    found.lines.longest = [LineStatus(owner=text, waiting=1, running=0, oldest_wait_ms=1, most_running=None)]
    assert all(line.isprintable() for line in shown(found, None, Trouble(True, text)))


def test_ages() -> None:
    assert [age(ms) for ms in (None, 0, 99_900, 100_000, 600_000)] == ["-", "0.0 s", "99.9 s", "1 min", "10 min"]


def test_only_a_terminal_that_can_be_redrawn_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Screen.is_possible()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Screen.is_possible()
    for dumb in ("dumb", "unknown"):
        monkeypatch.setenv("TERM", dumb)
        assert not Screen.is_possible()
