"""What the doctor prints: a line each, and an exit code that says how bad it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from midstream.checks.finding import Finding, report, report_json

OK = Finding("ok", "disk", "there")
WARN = Finding("warn", "clock", "off", "run NTP")
FAIL = Finding("fail", "Redis", "no answer", "start it")
STOPS = Finding("warn", "Redis, durability", "everysec", "set always", stops=True)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([OK, WARN], 0),
        ([FAIL, OK], 1),
        ([STOPS], 2),
        ([STOPS, FAIL], 2),
        ([FAIL, STOPS, OK], 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst(findings: list[Finding], code: int) -> None:
    assert report(findings) == code


def test_each_is_one_line_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    report([OK, WARN, FAIL])
    assert capsys.readouterr().out.splitlines() == [
        "ok   disk: there",
        "warn clock: off: run NTP",
        "fail Redis: no answer: start it",
    ]


def test_a_line_is_not_wrapped_and_nothing_in_it_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    report([Finding("warn", "[red]bold[/red]", f"\x1b[2J\n{long}", "a\tb :smile:")])
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"warn [red]bold[/red]: ␛[2J {long}: a b :smile:"


def test_each_is_printed_when_it_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    def found() -> Iterator[Finding]:
        yield OK
        assert capsys.readouterr().out == "ok   disk: there\n"
        yield FAIL

    assert report(found()) == 1


@pytest.mark.parametrize(("findings", "code"), [([OK, WARN], 0), ([OK, FAIL], 1), ([FAIL, STOPS], 2)])
def test_as_json_it_is_one_object_with_the_status_that_was_read_meanwhile(
    findings: list[Finding], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[dict[str, int]] = []

    def found() -> Iterator[Finding]:
        yield from findings
        read.append({"queue": 1})

    assert report_json(found(), lambda: read[-1]) == code
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert document.keys() == {"ok", "findings", "status"}
    assert (document["ok"], document["status"]) == (code == 0, {"queue": 1})
    assert [one["level"] for one in document["findings"]] == [one.level for one in findings]
    assert document["findings"][1] == {
        "level": findings[1].level, "subject": findings[1].subject, "state": findings[1].state,
        "advice": findings[1].advice,
    }  # fmt: skip


def test_json_on_a_terminal_is_obeyed_by_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    report_json([Finding("ok", "a", "\u202ex\x9b")], lambda: None)
    out = capsys.readouterr().out
    assert out.strip().isprintable()
    assert json.loads(out)["findings"][0]["state"] == "\u202ex\x9b"
