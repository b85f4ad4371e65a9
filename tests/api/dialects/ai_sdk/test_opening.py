"""How a message begins: for who asked, and for who comes later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.dialects.ai_sdk.opening import message_begin, seen_by_asker
from tests.api.dialects.ai_sdk.logs import SUBJECT, TAIL, data


def begun(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return data(message_begin(replace(SUBJECT, echo={"message": "m", "earlier": list(parts)})))[1:-1]


def test_a_new_message() -> None:
    told = data(message_begin(SUBJECT))
    assert [chunk["type"] for chunk in told] == ["start", "start-step"]
    assert told[0]["messageId"] == f"msg_{TAIL}"
    assert seen_by_asker(SUBJECT) == (b"", 0)


def test_who_asked_has_what_was_said_before() -> None:
    subject = replace(SUBJECT, echo={"message": "m", "earlier": [{"type": "text", "text": "a"}]})
    first, seen = seen_by_asker(subject)
    events = message_begin(subject)
    assert first == events[0]
    assert data([first])[0]["messageId"] == "m"
    assert data(events[seen:]) == [{"type": "start-step"}]


def test_texts_and_what_is_one_chunk() -> None:
    metadata = {"midstream": {"signature": "s"}}
    file = {"type": "file", "url": "data:a/b;base64,QQ==", "mediaType": "a/b"}
    source = {"type": "source-url", "sourceId": "s", "url": "https://a.example"}
    shown = {"type": "data-weather", "id": "w", "data": None}
    told = begun(
        {"type": "step-start"},
        {"type": "reasoning", "text": "Hm", "state": "done", "providerMetadata": metadata},
        file,
        source,
        shown,
        {"type": "unheard-of"},
    )
    assert told == [
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "earlier-1"},
        {"type": "reasoning-delta", "id": "earlier-1", "delta": "Hm"},
        {"type": "reasoning-end", "id": "earlier-1", "providerMetadata": metadata},
        file,
        source,
        shown,
    ]


CALL = {"type": "tool-get", "toolCallId": "c", "input": {"a": 1}}
BEGUN = [
    {"type": "tool-input-start", "toolCallId": "c", "toolName": "get"},
    {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a": 1}'},
]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"state": "output-available", "output": None},
            {"type": "tool-output-available", "toolCallId": "c", "output": None},
        ),
        (
            {"state": "output-error", "errorText": "x"},
            {"type": "tool-output-error", "toolCallId": "c", "errorText": "x"},
        ),
        ({"state": "output-denied"}, {"type": "tool-output-denied", "toolCallId": "c"}),
    ],
)
def test_a_call_with_its_result_is_not_run_again(part: dict[str, Any], told: dict[str, Any]) -> None:
    """A client runs a tool at `tool-input-available`."""
    assert begun(CALL | part) == [*BEGUN, told]


def test_a_call_without_a_result_is_run() -> None:
    [told] = begun(CALL | {"state": "input-available"})
    assert told == {"type": "tool-input-available", "toolCallId": "c", "toolName": "get", "input": {"a": 1}}


def test_a_call_that_broke_off_and_one_of_the_provider() -> None:
    assert begun(CALL | {"state": "input-streaming"}) == BEGUN
    named = {"type": "dynamic-tool", "toolName": "search", "toolCallId": "d", "providerExecuted": True}
    told = begun(named | {"state": "output-available", "output": 1})
    assert told[0] | {"toolName": "search", "dynamic": True, "providerExecuted": True} == told[0]
