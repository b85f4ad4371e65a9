"""What the doctor prints: a line each, and an exit code that says how bad it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from midstream.checks.finding import Finding, report

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
