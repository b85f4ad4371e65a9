"""An answer in Anthropic's blocks becomes one of ours."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from anthropic.types import Message

from shared.request.answer_order import in_order
from shared.request.dumped_blocks import put_in_place, put_refusals_in_place
from shared.request.generation_request import GenerationRequest
from shared.request.limits import MAX_PARTS
from shared.request.messages import AssistantMessage
from shared.request.request_json import read
from shared.request.tools import ToolCall

THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
TEXT = {"type": "text", "text": "Let me look."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "rain", "input": {"x": "é"}}


def test_an_answer_of_anthropics_sdk_goes_back_as_it_is() -> None:
    answer = Message.model_validate(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [THINKING, REDACTED, TEXT, CALL],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    expected = {
        "role": "assistant",
        "content": [TEXT],
        "reasoning": [
            {"text": "Hm.", "signature": "c2ln", "provider": "anthropic"},
            {"encrypted": "ZGF0YQ==", "provider": "anthropic"},
        ],
        "tool_calls": [{"id": "toolu_1", "function": {"name": "rain", "arguments": '{"x":"é"}'}}],
    }
    body = {"model": "a/b", "messages": [answer.model_dump()]}
    assert read(json.dumps(body).encode(), MAX_PARTS) == GenerationRequest.model_validate(
        {"model": "a/b", "messages": [expected]}
    )


def test_thinking_that_nobody_signed_is_plain() -> None:
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": ""}, TEXT]}
    assert put_in_place(message)
    assert message == {"role": "assistant", "content": [TEXT], "reasoning": [{"text": "Hm."}]}


def test_another_order_is_kept_by_places() -> None:
    blocks = [THINKING, CALL, REDACTED, TEXT, {**CALL, "id": "toolu_2"}]
    request = read(
        json.dumps({"model": "a/b", "messages": [{"role": "assistant", "content": blocks}]}).encode(), MAX_PARTS
    )
    (message,) = request.messages
    assert isinstance(message, AssistantMessage)
    said = [one.id if isinstance(one, ToolCall) else getattr(one, "encrypted", None) or one.text
            for one in in_order(message)]  # fmt: skip
    assert said == ["Hm.", "toolu_1", "ZGF0YQ==", "Let me look.", "toolu_2"]


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "x"},
        {"content": [TEXT]},
        {"content": None},
        {"content": [{"type": "new"}]},
        {"content": [THINKING, {"type": "new"}]},
        {"content": [THINKING, "x"]},
        {"content": [{"type": "tool_use", "id": "toolu_1"}]},
        {"content": [CALL], "tool_calls": [{}]},
        {"content": [THINKING], "reasoning": [{"text": "x"}]},
    ],
)
def test_anything_else_stays(fields: dict[str, Any]) -> None:
    message = {"role": "assistant", **fields}
    before = copy.deepcopy(message)
    assert not put_in_place(message)
    assert message == before


def test_parts_that_refuse_are_the_refusal() -> None:
    refused = {"type": "refusal", "refusal": "No."}
    text = {"type": "text", "text": "But."}
    for content, expected in (
        ([refused], {"content": None, "refusal": "No."}),
        ([refused, text, refused], {"content": [text], "refusal": "No.No."}),
    ):
        message: dict[str, Any] = {"role": "assistant", "content": content}
        assert put_refusals_in_place(message)
        assert message == {"role": "assistant", **expected}
    for message in (
        {"content": [text]},
        {"content": "x"},
        {"content": [refused | {"more": 1}]},
        {"content": [{"type": "refusal", "refusal": 1}]},
        {"content": [refused], "refusal": "Never."},
    ):
        before = dict(message)
        assert not put_refusals_in_place(message)
        assert message == before


def test_marks_of_a_cached_prompt_stay_where_they_are() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    marked = [THINKING, TEXT | {"cache_control": mark}, CALL | {"cache_control": mark}]
    body = {
        "model": "a/b",
        "messages": [
            {"role": "assistant", "content": marked},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "x", "is_error": True, "cache_control": mark},
        ],
    }
    asked = read(json.dumps(body).encode(), MAX_PARTS)
    said, result = json.loads(asked.model_dump_json(exclude_none=True))["messages"]
    assert said["content"] == [TEXT | {"cache_control": mark}]
    assert said["tool_calls"][0]["cache_control"] == result["cache_control"] == mark
    assert result["is_error"] is True
    # As the SDK's own types dump a block without one.
    plain = {"role": "assistant", "content": [TEXT | {"cache_control": None}, CALL | {"cache_control": None}]}
    assert put_in_place(plain)
    assert "cache_control" not in plain["tool_calls"][0]  # type: ignore[operator]
