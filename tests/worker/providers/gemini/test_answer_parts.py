"""The parts of a Gemini answer: what one of the protocol's says, and how servers vary it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta, Part, PartEnd, Raw
from worker.providers.gemini.answer_parts import AnswerParts
from worker.providers.gemini.chunk import Piece
from worker.providers.provider import ProviderEvent


def read(*pieces: Piece) -> tuple[AnswerParts, list[ProviderEvent]]:
    parts, events = AnswerParts(), list[ProviderEvent]()
    for piece in pieces:
        assert parts.read(piece, events)
    parts.end(events)
    return parts, events


def arguments(call: dict[str, Any]) -> str:
    _, events = read(Piece(function_call={"name": "rain", **call}))
    (delta,) = [event for event in events if isinstance(event, Delta)]
    return delta.delta


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"args": {"x": 1}}, '{"x":1}'),
        ({"args": '{"x": 1}'}, '{"x":1}'),
        ({"arguments": {"x": 1}}, '{"x":1}'),
        ({"args": ""}, "{}"),
        ({"args": None}, "{}"),
        ({}, "{}"),
        ({"args": "x"}, '"x"'),
        ({"args": "[1]"}, '"[1]"'),
    ],
)
def test_arguments(call: dict[str, Any], expected: str) -> None:
    assert arguments(call) == expected


@pytest.mark.parametrize("said", ["", "Hi"])
@pytest.mark.parametrize(
    "more",
    [
        {"function_call": {"name": "rain"}},
        {"executable_code": {"code": "1"}},
        {"code_execution_result": {"output": "1"}},
        {"tool_call": {"id": "s"}},
        {"tool_response": {"id": "s"}},
        {"inline_data": {"data": "aGk="}},
        {"file_data": {"fileUri": "https://x.test/f"}},
    ],
)
def test_a_text_hides_nothing_beside_it(said: str, more: dict[str, Any]) -> None:
    _, events = read(Piece(text=said, thought_signature="c2ln", **more))
    begun = [event for event in events if isinstance(event, Part)]
    assert [part.kind for part in begun][:-1] == (["text"] if said else [])
    assert begun[-1].kind != "text"
    signed = [event.part for event in events if isinstance(event, PartEnd) and event.signature == "c2ln"]
    assert signed == [begun[-1].part]


def test_what_is_of_no_kind_is_not_read() -> None:
    parts, events = AnswerParts(), list[ProviderEvent]()
    assert not parts.read(Piece(), events)
    assert parts.read(Piece(text=""), events)
    parts.cite({"groundingMetadata": {}}, events)
    assert events == [Raw(protocol="gemini", data={"groundingMetadata": {}})]


def test_after_a_result_something_must_follow() -> None:
    result = Piece(code_execution_result={"output": "1"})
    assert read(Piece(text="x"), result)[0].used_last
    assert not read(result, Piece(text="x"))[0].used_last
    assert not read(result, Piece(function_call={"name": "rain"}))[0].used_last
