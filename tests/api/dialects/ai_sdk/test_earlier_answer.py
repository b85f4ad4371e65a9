"""An earlier answer becomes messages that pair, with what its provider wants back."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.earlier_answer import earlier_answer

STEP = {"type": "step-start"}
CALL = {"type": "tool-get", "toolCallId": "c", "input": {"a": 1}, "state": "output-available", "output": {"b": 2}}


def messages(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one, _ in earlier_answer(parts)]


def test_a_text() -> None:
    assert messages(STEP, {"type": "text", "text": "Hi"}) == [{"role": "assistant", "content": "Hi"}]


def test_each_step_is_a_message_with_its_results_behind_it() -> None:
    found = list(earlier_answer([STEP, CALL, STEP, {"type": "text", "text": "Done"}]))
    assert found == [
        (
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "get", "arguments": '{"a":1}'}, "part": 0}
                ],
            },
            1,
        ),
        ({"role": "tool", "tool_call_id": "c", "content": '{"b":2}'}, 1),
        ({"role": "assistant", "content": "Done"}, 3),
    ]


def test_reasoning_and_calls_with_what_is_opaque() -> None:
    signed = {"midstream": {"signature": "ms1:acme:s"}}
    thought = {"midstream": {"signature": "ms1:acme:r", "summary": True}}
    told = messages(
        {"type": "reasoning", "text": "Hm", "providerMetadata": thought},
        {"type": "text", "text": "a", "providerMetadata": signed},
        CALL | {"callProviderMetadata": signed},
    )[0]
    assert told["reasoning"] == [
        {"text": "Hm", "signature": "r", "provider": "acme", "summary": True, "part": 0},
        {"signature": "s", "provider": "acme", "part": 1},
    ]
    assert told["content"] == [{"type": "text", "text": "a", "part": 1}]
    assert told["tool_calls"][0] | {"signature": "s", "provider": "acme", "part": 2} == told["tool_calls"][0]


def test_a_refusal() -> None:
    part = {"type": "text", "text": "No.", "providerMetadata": {"midstream": {"refusal": True}}}
    assert messages(part) == [{"role": "assistant", "content": None, "refusal": "No."}]


@pytest.mark.parametrize(
    ("part", "result"),
    [
        ({"output": "plain"}, {"content": "plain"}),
        ({"output": None}, {"content": "null"}),
        ({"state": "output-error", "errorText": "x"}, {"content": "x", "is_error": True}),
        ({"state": "output-denied", "approval": {"reason": "no"}}, {"content": "no", "is_error": True}),
        ({"state": "output-denied"}, {"content": "Tool call execution denied.", "is_error": True}),
    ],
)
def test_results(part: dict[str, Any], result: dict[str, Any]) -> None:
    assert messages(CALL | part)[1] == {"role": "tool", "tool_call_id": "c", **result}


@pytest.mark.parametrize("state", ["input-streaming", "input-available", "approval-requested"])
def test_a_call_without_a_result_is_left_out(state: str) -> None:
    assert messages(CALL | {"state": state}) == []
    assert messages(CALL | {"preliminary": True}) == []


def test_what_was_no_json_goes_back_as_it_was() -> None:
    call = messages(CALL | {"input": None, "rawInput": '{"a', "state": "output-error", "errorText": "x"})[0]
    assert call["tool_calls"][0]["function"]["arguments"] == "{}"
    del (part := dict(CALL))["input"]
    call = messages(part | {"rawInput": '{"a', "state": "output-error", "errorText": "x"})[0]
    assert call["tool_calls"][0]["function"]["arguments"] == '{"a'


def test_what_no_request_can_say_is_left_out() -> None:
    ran = CALL | {"type": "dynamic-tool", "toolName": "search", "providerExecuted": True}
    file = {"type": "file", "url": "data:a/b;base64,QQ==", "mediaType": "a/b"}
    assert messages(ran, file, {"type": "reasoning", "text": "Hm"}, {"type": "data-x", "data": 1}) == []
