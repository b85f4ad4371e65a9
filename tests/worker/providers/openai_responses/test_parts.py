"""The parts of a Responses answer: told once, also where another attempt goes on with them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from shared.log.events import Annotation, Delta, Part, PartEnd
from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.event import ENCRYPTION_ORIGIN, SUMMARY, TEXT, PartPlace
from worker.providers.openai_responses.parts import Parts, broken_off, scalar

CALL = PartPlace("call", "tool_call", "function_call")


def told(parts: Parts) -> list[tuple[Any, ...]]:
    """The events since the last look, each as its type, its part and what it says."""
    lines: list[tuple[Any, ...]] = []
    for event in parts.events:
        match event:
            case Part():
                lines.append(("part", event.part, event.kind))
            case Delta():
                lines.append(("delta", event.part, event.delta))
            case PartEnd():
                lines.append(("end", event.part))
            case Annotation():
                lines.append(("annotation", event.part, event.fields))
    parts.events.clear()
    return lines


def test_a_part_begins_grows_and_ends_once() -> None:
    parts = Parts("acme")
    said = parts.begin(SUMMARY, "rs_1")
    for text in ("a", "", "b"):
        parts.say(said, text)
    parts.cite(said, {"url": "u"})
    parts.end(said)
    parts.end(said)
    parts.end_all()
    begun = parts.events[0]
    assert isinstance(begun, Part)
    assert (begun.item_id, begun.summary, said.text, said.cited) == ("rs_1", True, "ab", 1)
    assert told(parts) == [
        ("part", 0, "reasoning"), ("delta", 0, "a"), ("delta", 0, "b"), ("annotation", 0, {"url": "u"}), ("end", 0),
    ]  # fmt: skip


def test_a_call_that_is_held_says_all_of_it_when_it_is_named() -> None:
    parts = Parts("acme")
    said = parts.hold(CALL, "fc_1")
    for piece in ("{", "}"):
        parts.say(said, piece)
    parts.end(said)
    parts.end_all()
    assert (told(parts), said.ended) == ([], False)
    parts.release(said, call_id="call_1", name="rain", executor="client")
    begun = parts.events[0]
    assert isinstance(begun, Part)
    assert (begun.call_id, begun.name, begun.executor, begun.item_id) == ("call_1", "rain", "client", "fc_1")
    parts.end_all()
    assert told(parts) == [("part", 0, "tool_call"), ("delta", 0, "{}"), ("end", 0)]


@pytest.mark.parametrize(("item_id", "call_id"), [("ws_1", "ws_1"), ("", "call_0")])
def test_a_call_without_an_id_is_named_by_its_item_or_its_place(item_id: str, call_id: str) -> None:
    parts = Parts("acme")
    parts.release(parts.hold(CALL, item_id), call_id=None, name="web_search", executor="provider")
    begun = parts.events[0]
    assert isinstance(begun, Part)
    assert (begun.call_id, begun.item_id or None) == (call_id, item_id or None)


@pytest.mark.parametrize(
    ("heard", "whole", "rest"),
    [
        ("The sky", "The sky", ""),
        ("The", "The sky", " sky"),
        ("", "The sky", "The sky"),
        ("The sky", "The sea", None),
        ("The sky", "The", None),
        ("\ud83d", "\ufffd!", "!"),
        ("\ud83d\ude00", "😀!", "!"),
    ],
)
def test_what_has_not_come(heard: str, whole: str, rest: str | None) -> None:
    parts = Parts("acme")
    said = parts.begin(TEXT, "msg_1")
    parts.say(said, heard)
    assert parts.rest(said, whole) == rest
    assert (scalar("a"), scalar("\ud83d\ude00"), scalar("\ud83d")) == ("a", "😀", "\ufffd")


def test_what_is_encrypted_says_whose_it_is() -> None:
    parts = Parts("acme")
    parts.end(parts.begin(SUMMARY, "rs_1"), encrypted="b3A=")
    end = parts.events[-1]
    assert isinstance(end, PartEnd)
    assert (end.encrypted, end.provider) == ("b3A=", ENCRYPTION_ORIGIN)


def test_a_part_that_broke_off_goes_on_as_itself() -> None:
    parts = Parts("acme")
    said = parts.restore(PartSoFar(kind="text", item_id="msg_1", pieces=["The "], annotations=[{"url": "a"}]))
    assert (said.text, said.cited, broken_off([said], "content"), broken_off([said], "call")) == (
        "The ", 1, True, False,
    )  # fmt: skip
    parts.say(said, "sky")
    begun = parts.events[0]
    assert isinstance(begun, Part)
    assert (begun.resumes, begun.item_id, begun.executor) == (True, "msg_1", UNSET)
    parts.end_all()
    assert told(parts) == [("part", 0, "text"), ("delta", 0, "sky"), ("end", 0)]
    assert not broken_off([said], "content")


def test_parts_that_had_ended_are_not_told_again() -> None:
    parts = Parts("acme")
    parts.restore(PartSoFar(kind="text", ended=True))
    parts.restore(PartSoFar(kind="reasoning", summary=True))
    parts.end_all()
    assert told(parts) == [("part", 0, "reasoning"), ("end", 0)]


def test_failures_of_the_answer_itself() -> None:
    for failure in (Parts("acme").misfit(), Parts("acme").gap()):
        assert (failure.code, failure.retryable, failure.over) == ("invalid_response", True, True)
