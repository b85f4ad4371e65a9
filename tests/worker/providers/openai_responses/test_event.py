"""The events of a Responses stream: known fields are read, others kept, and what grows is text."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from worker.providers.openai_responses.event import (
    PLACE_OF_CONTENT,
    PLACE_OF_DELTA,
    PLACE_OF_DONE,
    ResponsesEvent,
    Slot,
    read_event,
    spoken,
)
from worker.providers.provider import ProviderError


def read(value: Any) -> tuple[ResponsesEvent, dict[str, Any]]:
    return read_event("acme", json.dumps(value).encode())


def test_a_known_event_has_nothing_unknown() -> None:
    value = {"type": "response.output_text.delta", "sequence_number": 4, "output_index": 1, "delta": "hi"}
    event, unknown = read(value)
    assert (event.type, event.sequence_number, event.output_index, event.delta) == tuple(value.values())
    assert (event.content_index, event.summary_index, unknown) == (0, 0, {})


def test_fields_that_no_event_has_are_kept_beside_it() -> None:
    event, unknown = read({"type": "response.output_text.delta", "delta": "hi", "mood": "glad", "count": 0})
    assert (event.delta, unknown) == ("hi", {"mood": "glad", "count": 0})


def test_an_event_of_an_unknown_tool_is_kept_whatever_the_shape_of_its_fields() -> None:
    event, unknown = read({"type": "response.tool.delta", "sequence_number": 7, "delta": {"x": 1}, "mood": "glad"})
    assert event == ResponsesEvent(type="response.tool.delta", sequence_number=7)
    assert unknown["delta"] == {"x": 1}
    assert unknown["mood"] == "glad"
    event, _ = read({"type": "response.tool.delta", "sequence_number": "x", "delta": {"x": 1}})
    assert event.sequence_number is None


@pytest.mark.parametrize("kind", [*PLACE_OF_DELTA, *PLACE_OF_DONE])
def test_a_delta_of_another_shape_is_kept(kind: str) -> None:
    event, unknown = read({"type": kind, "delta": [{"x": 1}, None], "content_index": "2"})
    called = kind in PLACE_OF_DELTA and PLACE_OF_DELTA[kind].slot == "call"
    assert (event.type, event.content_index, event.delta) == (kind, 2, '[{"x":1},null]' if called else None)
    assert unknown == ({} if called else {"delta": [{"x": 1}, None]})


@pytest.mark.parametrize("data", [b"", b"{", b"5", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_event_is_an_error(data: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        read_event("acme", data)
    assert caught.value.code == "invalid_response"


def test_every_place_and_reason_is_one_of_ours() -> None:
    fields = set(ResponsesEvent.__struct_fields__)
    assert {field for _, field in PLACE_OF_DONE.values()} <= fields
    places = [*PLACE_OF_DELTA.values(), *(place for place, _ in PLACE_OF_DONE.values())]
    assert {place.slot for place in places} <= set(get_args(Slot))
    assert {place.kind for place in places} == {place.kind for place, _ in PLACE_OF_CONTENT.values()} | {"tool_call"}
    assert {kind.removesuffix(".done") for kind in PLACE_OF_DONE} == {
        kind.removesuffix(".delta") for kind in PLACE_OF_DELTA
    }


@pytest.mark.parametrize(
    ("value", "slot", "text"),
    [
        ("x", "content", "x"), (6, "content", "6"), (0.5, "content", "0.5"), (True, "content", None),
        (None, "content", None), ({"text": "x"}, "content", "x"), ({"x": 1}, "content", None),
        ({"a": 1}, "call", '{"a":1}'), ([1], "call", "[1]"), ({}, "call", None), ("{}", "call", "{}"),
    ],
)  # fmt: skip
def test_what_is_said_with_a_value(value: Any, slot: Slot, text: str | None) -> None:
    assert spoken(value, slot) == text


def test_arguments_may_be_an_object() -> None:
    event, unknown = read({"type": "response.function_call_arguments.done", "arguments": {"a": 1}})
    assert (event.arguments, unknown) == ('{"a":1}', {})
    event, unknown = read({"type": "response.output_text.delta", "delta": {"text": "x"}, "mood": 1})
    assert (event.delta, unknown) == ("x", {"mood": 1})
