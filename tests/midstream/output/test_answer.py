"""What is written where: the text on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from midstream.output.answer import AnswerWriter, JsonLines
from midstream_client import Event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(type: str, /, event_id: str | None = "1-0", **data: Any) -> Event:
    return Event(event_id, type, data)


def attempt(number: int, continues: bool = False) -> Event:
    return event("attempt", number=number, reason="worker_lost", model="m", provider="p", continues=continues)


def text(delta: str, kind: str = "text") -> Event:
    return event("delta", part=0, kind=kind, delta=delta)


COMPLETED = event("completed", finish_reason="stop")


def written(
    *events: Event,
    terminal: bool = False,
    reasoning: bool = False,
    final: bool = False,
    before: Callable[[], AnswerWriter] | None = None,
    saving: Callable[[], str] | None = None,
) -> tuple[str, str]:
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    answer = AnswerWriter(out, err, reasoning=reasoning, final=final, before=before, saving=saving)
    for one in events:
        answer.write(one)
    return out.getvalue(), err.getvalue()


def test_a_pipe_gets_exactly_the_text_and_a_newline() -> None:
    raw = "a\x1b[2J\x00\r\n\u2028🌍"
    events = [attempt(1), text(raw), text(" b"), event("part_end", part=0)]
    # Whoever leaves now goes on here.
    assert written(*events) == (raw + " b", "")
    assert written(*events, COMPLETED) == (raw + " b\n", "")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(
    ("deltas", "out"),
    [(["a"], "a\n"), (["a\n"], "a\n"), (["a\n", ""], "a\n"), (["\n", "a\n\n"], "\na\n\n"), ([""], ""), ([], "")],
)
def test_an_answer_ends_its_last_line_once(deltas: list[str], out: str, final: bool, terminal: bool) -> None:
    assert written(attempt(1), *map(text, deltas), COMPLETED, final=final, terminal=terminal)[0] == out


def test_a_terminal_gets_nothing_that_it_would_obey() -> None:
    out, _ = written(text("a\x1b[2J\x9b2J\x07\r\n\tb"), COMPLETED, terminal=True)
    assert out == "a␛[2J\ufffd2J␇\n\tb\n"


def after(*events: Event) -> Callable[[], AnswerWriter]:
    """An answer that was left behind these events."""

    def before() -> AnswerWriter:
        answer = AnswerWriter(io.StringIO(), io.StringIO())
        for one in events:
            answer.write(one)
        return answer

    return before


@pytest.mark.parametrize("open", [False, True])
def test_a_line_that_was_left_open_is_ended(open: bool) -> None:
    before = after(attempt(1), text("a" if open else "a\n"))
    assert written(COMPLETED, before=before)[0] == "\n" * open
    assert written(text(""), COMPLETED, before=before)[0] == "\n" * open
    assert written(attempt(2), text("b"), COMPLETED, before=before)[0] == "\n" * open + "b\n"


def test_how_it_was_left_is_asked_only_where_nothing_here_tells() -> None:
    def asked() -> AnswerWriter:
        raise AssertionError("was asked")

    assert written(text("a"), event("part_end", part=0), COMPLETED, before=asked)[0] == "a\n"
    assert written(text("b"), attempt(2), text("c"), COMPLETED, before=asked)[0] == "b\nc\n"
    assert written(event("reset", None, reason="unknown_cursor"), text("d"), COMPLETED, before=asked)[0] == "d\n"
    # Nothing is written before the end, and a terminal is not within a line when we start.
    assert written(COMPLETED, final=True, before=asked)[0] == ""
    assert written(COMPLETED, terminal=True, before=asked)[0] == ""


@pytest.mark.parametrize("terminal", [False, True])
def test_a_new_attempt_starts_over(terminal: bool) -> None:
    out, err = written(attempt(1), text("half a wo"), attempt(2), text("whole"), COMPLETED, terminal=terminal)
    assert out == "half a wo\nwhole\n"
    assert "attempt 2 (worker_lost, p/m): the answer starts over, what came before is superseded" in err


def test_an_attempt_that_continues_does_not() -> None:
    out, err = written(attempt(1), text("half a "), attempt(2, continues=True), text("word"), COMPLETED)
    assert out == "half a word\n"
    assert "continues" in err
    assert "starts over" not in err


def test_reset_starts_over() -> None:
    out, err = written(
        text("abc"),
        event("reset", event_id=None, reason="unknown_cursor"),
        attempt(1),
        text("abcd"),
        COMPLETED,
    )
    assert out == "abc\nabcd\n"
    assert err.count("starts over") == 1


def test_final_writes_only_what_stands() -> None:
    events = [attempt(1), text("half"), attempt(2), text("who"), text("le")]
    assert written(*events, final=True)[0] == ""
    assert written(*events, COMPLETED, final=True)[0] == "whole\n"
    assert written(*events, event("failed", code="x", message="y"), final=True)[0] == ""


def test_reasoning_only_when_asked_for() -> None:
    events = [text("hmm", "reasoning"), text("yes"), COMPLETED]
    assert written(*events) == ("yes\n", "")
    assert written(*events, reasoning=True) == ("yes\n", "hmm\n")
    assert written(*events, reasoning=True, terminal=True) == ("yes\n", "\x1b[2mhmm\x1b[0m\n")


def part(index: int, kind: str = "tool_call", **fields: Any) -> Event:
    return event("part", part=index, kind=kind, **fields)


def grown(index: int, delta: str, kind: str = "tool_call") -> Event:
    return event("delta", part=index, kind=kind, delta=delta)


def ended(index: int) -> Event:
    return event("part_end", part=index)


CALLS_ENDED = event("completed", finish_reason="tool_calls")


def test_tool_calls_are_one_line_each() -> None:
    _, err = written(
        part(0, name="weather"),
        part(1, name="time\x1b"),
        grown(0, '{"city":\n'),
        grown(1, "{}"),
        grown(0, '"Bad   Honnef"}'),
        ended(0),
        CALLS_ENDED,
    )
    assert err == 'tool call weather {"city": "Bad   Honnef"}\ntool call time␛ {}\nended with tool_calls\n'


def test_a_call_that_broke_off_says_so() -> None:
    events = [attempt(1), part(0, name="weather"), grown(0, '{"ci')]
    assert written(*events, event("cancelled"))[1] == 'tool call weather {"ci (not complete)\ncancelled\n'
    assert "weather" not in written(*events, attempt(2), text("none"), COMPLETED)[1]
    assert "weather" not in written(*events, attempt(2, continues=True), text("none"), COMPLETED)[1]
    assert 'weather {"ci (not complete)' in written(event("cancelled"), before=after(*events))[1]


CALLS = [
    attempt(1),
    part(0, "text"),
    text("I look."),
    ended(0),
    part(1, name="weather"),
    part(2, name="time"),
    grown(1, '{"city":'),
    grown(2, "{}"),
    grown(1, ' "Bonn"}'),
    ended(1),
    grown(2, " "),
    ended(2),
    CALLS_ENDED,
]


@pytest.mark.parametrize("cut", range(len(CALLS)))
@pytest.mark.parametrize("terminal", [False, True])
def test_a_call_in_which_it_was_left_is_told_whole(cut: int, terminal: bool) -> None:
    _, err = written(*CALLS[cut:], before=after(*CALLS[:cut]), terminal=terminal)
    assert ('tool call weather {"city": "Bonn"}' in err) is (cut < 10)
    assert ("tool call time {} " in err) is (cut < 12)
    assert "missing" not in err


def test_a_call_whose_beginning_nobody_has_says_so() -> None:
    _, err = written(grown(1, '"Bonn"}'), ended(1), CALLS_ENDED, before=after(attempt(1)))
    assert 'tool call (its beginning is missing) "Bonn"}' in err


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_call_that_the_next_attempt_resumes_is_told_whole(cut: int) -> None:
    events = [
        attempt(1),
        part(0, name="weather", item_id="i"),
        grown(0, '{"city":'),
        attempt(2, continues=True),
        part(0, item_id="i", resumes=True),
        grown(0, ' "Bonn"}'),
        ended(0),
        CALLS_ENDED,
    ]
    _, err = written(*events[cut:], before=after(*events[:cut]))
    assert 'tool call weather {"city": "Bonn"}' in err


@pytest.mark.parametrize("cut", range(6))
def test_files_are_told(cut: int) -> None:
    events = [
        attempt(1),
        part(0, "file", media_type="image/png"),
        grown(0, "iVBOR", "file"),
        grown(0, "w", "file"),
        grown(0, "==", "file"),
        ended(0),
        COMPLETED,
    ]
    out, err = written(*events[cut:], before=after(*events[:cut]), saving=lambda: "how to save")
    assert (out, err) == ("", "file image/png, 4 bytes; how to save\n")


def test_files_elsewhere_and_files_that_broke_off_are_told() -> None:
    there = part(0, "file", media_type="image/png", url="https://example.org/a.png")
    assert written(there, ended(0), COMPLETED, saving=lambda: "no")[1] == (
        "file image/png: https://example.org/a.png\n"
    )
    cut = [part(0, "file"), grown(0, "A" * 16, "file"), event("cancelled")]
    assert written(*cut, saving=lambda: "no")[1] == "file of unknown type, 12 bytes, not complete\ncancelled\n"


def test_results_and_sources_are_told() -> None:
    def cited(**fields: Any) -> Event:
        return event("annotation", part=1, fields=fields)

    link = {"url": "https://example.org/", "title": "An\nexample"}
    _, err = written(
        part(0, "tool_result", name="search"),
        grown(0, "found   it", "tool_result"),
        ended(0),
        part(1, "text"),
        cited(type="url_citation", **link),
        cited(type="url_citation", url_citation=link),
        cited(type="char_location", cited_text="so\x1b"),
        ended(1),
        COMPLETED,
    )
    assert err.splitlines() == [
        "tool result search found   it",
        "source An example https://example.org/",
        'annotation {"type": "char_location", "cited_text": "so\\u001b"}',
    ]


def test_refusal_is_the_answer() -> None:
    assert written(text("I will not.", "refusal"), COMPLETED)[0] == "I will not.\n"


def test_ends_are_told() -> None:
    failed = event("failed", code="worker_lost", message="all attempts\nfailed")
    assert written(text("a"), failed) == ("a\n", "failed (worker_lost): all attempts failed\n")
    assert written(text("a"), event("cancelled"), terminal=True) == ("a\n", "\x1b[2mcancelled\x1b[0m\n")
    assert written(text("a"), event("cancelled")) == ("a\n", "cancelled\n")


def test_no_colour_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert written(event("cancelled"), terminal=True)[1] == "cancelled\n"


def test_json_lines() -> None:
    out, err = io.BytesIO(), io.StringIO()
    lines = JsonLines(out, err)
    lines.write(event("queued", event_id=None, id="gen_x", position=1))
    lines.write(text("\u2028\n🌍"))
    assert lines.outcome is None
    lines.write(COMPLETED)
    assert lines.outcome == "completed"
    assert [json.loads(line) for line in out.getvalue().split(b"\n")[:-1]] == [
        {"id": None, "event": "queued", "data": {"id": "gen_x", "position": 1}},
        {"id": "1-0", "event": "delta", "data": {"part": 0, "kind": "text", "delta": "\u2028\n🌍"}},
        {"id": "1-0", "event": "completed", "data": {"finish_reason": "stop"}},
    ]
    assert err.getvalue() == ""
