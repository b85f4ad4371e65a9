"""A conversation's pages and stream, without any I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midstream_client import Event, NotMidstreamError, RetryBudget
from midstream_client.conversation_following import ConversationFollowing
from tests.clients.python.midstream_client.test_following import STREAM, URL, block


def turn(name: str, number: int, state: str = "completed", **fields: Any) -> dict[str, Any]:
    part = {"kind": "text", "text": name.upper(), "complete": state == "completed", "part": 0}
    return {"id": f"gen_{name}", "number": number, "state": state, "parts": [part], "input": [], **fields}


def page(*turns: dict[str, Any], cursor: str | None = "a.7-4", next: int | None = None) -> dict[str, Any]:
    return {"id": "chat", "title": "T", "generations": list(turns), "cursor": cursor, "next": next}


def loaded(*turns: dict[str, Any]) -> ConversationFollowing:
    core = ConversationFollowing(URL, RetryBudget(), "chat")
    core.load(page(*turns))
    return core


def read(core: ConversationFollowing, *events: Event) -> list[Event]:
    core.opened(200, STREAM)
    got = [event for sent in events for event in core.received(block(sent))]
    return got + core.closed()


def said(core: ConversationFollowing) -> list[tuple[str, str, str]]:
    return [(turn.id, turn.answer.text, turn.answer.state) for turn in core.turns]


def test_the_stream_goes_on_where_the_page_was_read() -> None:
    core = loaded(turn("a", 1), turn("b", 2, "running"))
    assert core.request().headers["last-event-id"] == "a.7-4"
    got = read(
        core,
        Event("b.8-3", "delta", {"part": 0, "kind": "text", "delta": "!"}),
        Event(None, "begun", {"generation": "gen_c", "number": 3, "previous": "gen_b"}),
        Event("b.8-4", "completed", {"finish_reason": "stop"}),
        Event("c.0-0", "generation", {"generation": "gen_c", "number": 3, "previous": "gen_b"}),
        Event(None, "queued", {"id": "gen_c", "position": 2}),
        Event("c.9-0", "attempt", {"number": 1, "continues": False}),
    )
    assert [event.generation for event in got] == [f"gen_{name}" for name in "bcbccc"]
    assert said(core) == [("gen_a", "A", "completed"), ("gen_b", "B!", "completed"), ("gen_c", "", "running")]
    assert core.turns[2].previous == "gen_b"
    assert core.cursor == "c.9-0"


def test_what_a_page_has_already_is_not_begun_anew() -> None:
    core = loaded(turn("a", 1))
    read(core, Event("a.0-0", "generation", {"generation": "gen_a", "number": 1}))
    assert said(core) == [("gen_a", "A", "completed")]


def test_what_is_carried_whole_counts_once() -> None:
    """While an earlier one runs, the page has what later ones said, and the stream comes to that only then."""
    core = loaded(turn("a", 1, "running"), turn("b", 2, "running"), turn("c", 3))
    read(core, Event("a.7-5", "completed", {}))
    for name, number in (("b", 2), ("c", 3)):
        read(
            core,
            Event(f"{name}.0-0", "generation", {"generation": f"gen_{name}", "number": number}),
            Event(f"{name}.8-0", "attempt", {"number": 1, "continues": False}),
            Event(f"{name}.8-1", "delta", {"part": 0, "kind": "text", "delta": name.upper()}),
            Event(f"{name}.8-2", "completed", {}),
        )
    assert said(core) == [("gen_a", "A", "completed"), ("gen_b", "B", "completed"), ("gen_c", "C", "completed")]
    assert [turn.answer.superseded for turn in core.turns] == [[], [], []]


def test_a_reset_reads_the_page_anew_and_is_told_then() -> None:
    core = loaded(turn("a", 1), turn("b", 2))
    assert read(core, Event(None, "reset", {"reason": "unknown_cursor"})) == []
    assert core.leaving
    assert core.pause() >= 1
    assert core.request().path == "/v1/conversations/chat"
    core.opened(503, {})
    assert core.closed() == []
    assert core.pause() > 0
    core.opened(200, {"content-type": "application/json"})
    assert list(core.received(json.dumps(page(turn("b", 2), cursor="b.1-1")).encode())) == []
    (told,) = core.closed()
    assert (told.type, told.id) == ("reset", None)
    assert core.pause() == 0
    assert said(core) == [("gen_b", "B", "completed")]
    assert core.request().headers["last-event-id"] == "b.1-1"


def test_without_a_page_a_reset_is_told_at_once() -> None:
    core = ConversationFollowing(URL, RetryBudget(), "chat", "a.7-4")
    read(core, Event("b.0-0", "generation", {"generation": "gen_b", "number": 2}))
    (told,) = read(core, Event(None, "reset", {"reason": "unknown_cursor"}))
    assert (told.type, core.cursor, core.turns) == ("reset", None, [])


def test_older_pages_come_before() -> None:
    core = loaded(turn("c", 3))
    core.add(page(turn("a", 1), turn("b", 2), cursor=None, next=1))
    assert [turn.number for turn in core.turns] == [1, 2, 3]
    assert (core.before, core.cursor) == (1, "a.7-4")


@pytest.mark.parametrize("found", [{}, {"generations": 5}, {"generations": [5]}, {"generations": [{"id": "gen_a"}]}])
def test_a_page_that_is_none(found: dict[str, Any]) -> None:
    core = ConversationFollowing(URL, RetryBudget(), "chat")
    with pytest.raises(NotMidstreamError):
        core.load(found)


@pytest.mark.parametrize("status", [202, 204])
def test_an_answer_that_is_no_stream_is_not_asked_for_again(status: int) -> None:
    with pytest.raises(NotMidstreamError):
        loaded().opened(status, {})


def test_each_event_names_its_generation() -> None:
    core = loaded(turn("a", 1))
    (event,) = read(core, Event(None, "trimmed", {"generation": "gen_a"}))
    assert event.generation == "gen_a"
    assert said(core) == [("gen_a", "A", "completed")]


def test_an_older_page_that_is_ahead_of_the_stream_says_nothing_twice() -> None:
    core = ConversationFollowing(URL, RetryBudget(), "chat")
    core.load(page(turn("b", 2, "queued"), cursor="a.7-1", next=2))
    core.add(page(turn("a", 1, "running", last_event_id="7-10")))
    said_again = Event("a.7-9", "delta", {"part": 0, "kind": "text", "delta": "A"})
    read(core, said_again, Event("a.7-11", "delta", {"part": 0, "kind": "text", "delta": "!"}))
    assert said(core)[0] == ("gen_a", "A!", "running")
