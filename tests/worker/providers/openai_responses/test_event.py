"""The events of a Responses stream: known fields are read, others kept, and of tokens all or none is believed."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from shared.log.events import Usage
from worker.providers.openai_responses.event import (
    KIND_OF_CONTENT,
    PLACE_OF_DELTA,
    PLACE_OF_DONE,
    ResponsesEvent,
    Slot,
    read_event,
    read_usage,
    unmapped,
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
    event, unknown = read({"type": kind, "delta": {"x": 1}, "content_index": "2"})
    assert (event.type, event.delta, event.content_index, unknown) == (kind, None, 2, {"delta": {"x": 1}})


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
    assert {place.kind for place in places} == {kind for kind, _ in KIND_OF_CONTENT.values()} | {"tool_call"}
    assert {kind.removesuffix(".done") for kind in PLACE_OF_DONE} == {
        kind.removesuffix(".delta") for kind in PLACE_OF_DELTA
    }


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        (None, None),
        ({}, Usage(0, 0)),
        ({"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}, Usage(9, 4)),
        (
            {
                "input_tokens": 9, "output_tokens": 4, "total_tokens": 13,
                "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 4, 6, 2, 3),
        ),
        # By its total, reasoning is not within the output.
        ({"input_tokens": 9, "output_tokens": 4, "total_tokens": 16, "output_tokens_details": {"reasoning_tokens": 3}},
         Usage(9, 7, 0, 0, 3)),
        ({"input_tokens": -9, "output_tokens": 4}, None),
        ({"output_tokens_details": {"reasoning_tokens": "many"}}, None),
        ([], None),
        ("many", None),
    ],
)  # fmt: skip
def test_usage(counted: object, usage: Usage | None) -> None:
    assert read_usage(counted) == usage


@pytest.mark.parametrize(
    ("response", "rest"),
    [
        ({"id": "r", "model": "m", "output": [1], "tools": [{}]}, {}),
        ({"new": 0, "newer": {}, "newest": {"a": {"b": 0}}}, {}),
        ({"moderation": {"flagged": True}}, {"moderation": {"flagged": True}}),
        ({"usage": {"input_tokens": 9, "total_tokens": 9}}, {}),
        ({"usage": {"web_search_calls": 2, "other": 0}}, {"usage": {"web_search_calls": 2}}),
        (
            {"usage": {"input_tokens_details": {"cached_tokens": 6, "audio_tokens": 2}}},
            {"usage": {"input_tokens_details": {"audio_tokens": 2}}},
        ),
        ({"usage": {"input_tokens_details": {"audio_tokens": 0}, "output_tokens_details": None}}, {}),
        ({"usage": None}, {}),
    ],
)
def test_what_a_response_says_beside_the_answer(response: dict[str, Any], rest: dict[str, Any]) -> None:
    assert unmapped(response) == rest
