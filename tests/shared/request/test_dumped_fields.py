"""What SDKs and agents write beside a conversation is taken, and what it means reaches the request."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from anthropic.types import TextBlock
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall
from pydantic import ValidationError

from shared.process.background_thread import LONG_WORK_BYTES
from shared.request.dumped_fields import tidy
from shared.request.generation_request import GenerationRequest
from shared.request.limits import MAX_PARTS
from shared.request.request_json import read

CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "rain", "arguments": '{"x":1}'}}
SIGNED = {**CALL, "signature": "s", "provider": "gemini"}


def reads(message: dict[str, Any], expected: dict[str, Any], **more: Any) -> None:
    """Checks that a message is taken for another, in a short and in a long body."""
    for pad in ("", "x" * LONG_WORK_BYTES):
        body = {"model": "a/b", "messages": [{"role": "user", "content": pad or "?"}, message], **more}
        wanted = {"model": "a/b", "messages": [{"role": "user", "content": pad or "?"}, expected]}
        assert read(json.dumps(body).encode(), MAX_PARTS) == GenerationRequest.model_validate(wanted)


def completion(**message: Any) -> dict[str, Any]:
    """An answer as OpenAI's SDK gives it back."""
    whole = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}],
        }
    )
    return whole.choices[0].message.model_dump()


def test_an_answer_of_openais_sdk_goes_back_as_it_is() -> None:
    said = {"role": "assistant", "content": "Yes."}
    dumped = completion(content="Yes.")
    assert {"refusal", "annotations", "audio", "function_call", "tool_calls"} <= dumped.keys()
    reads(dumped, said)
    reads(completion(content="Yes.", annotations=[]), said)
    link = {"end_index": 3, "start_index": 0, "title": "t", "url": "https://x"}
    reads(completion(content="Yes.", annotations=[{"type": "url_citation", "url_citation": link}]), said)
    reads(completion(content=None, refusal="No."), {"role": "assistant", "refusal": "No."})
    # Of `parse`, which has the answer once more as an object.
    reads(completion(content="Yes.", parsed={"a": 1}), said)
    reads(completion(content=None, tool_calls=[CALL]), {"role": "assistant", "tool_calls": [CALL]})
    # Nothing was said: no reason to be stuck.
    reads(ChatCompletionMessage(role="assistant").model_dump(), {"role": "assistant", "content": ""})
    # What the SDK does not know, it keeps.
    reads(
        completion(content="Yes.", reasoning_content="Hm.", images=[], provider_specific_fields={"refusal": None}),
        said | {"reasoning": [{"text": "Hm."}]},
    )


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ChoiceDeltaToolCall.model_validate({"index": 0, **CALL}).model_dump(), CALL),
        ({**CALL, "index": None, "type": None, "extra": {}}, CALL),
        ({**CALL, "function": {"name": "rain", "arguments": {"x": 1}}}, CALL),
        (
            {**CALL, "function": {"name": "rain", "arguments": None}},
            {**CALL, "function": {"name": "rain", "arguments": ""}},
        ),
        ({**CALL, "function": {"name": "rain", "arguments": '{"x":1}', "parsed_arguments": None}}, CALL),
        ({**CALL, "function": {"name": "rain", "arguments": '{"x":1}', "parsed_arguments": {"x": 1}}}, CALL),
        ({**CALL, "provider_specific_fields": {"thought_signature": "s"}}, SIGNED),
        ({**CALL, "function": {**CALL["function"], "provider_specific_fields": {"thought_signature": "s"}}}, SIGNED),
    ],
)
def test_calls(call: dict[str, Any], expected: dict[str, Any]) -> None:
    reads({"role": "assistant", "tool_calls": [call]}, {"role": "assistant", "tool_calls": [expected]})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "user", "content": "x", "name": None, "id": "msg_1"}, {"role": "user", "content": "x"}),
        (
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://x", "detail": None, "format": None},
                        "text": None,
                    }
                ],
            },
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
        ),
        (
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_url": "https://x", "file_id": None, "format": ""}}],
            },
            {"role": "user", "content": [{"type": "file", "file": {"file_url": "https://x"}}]},
        ),
        (
            {
                "role": "assistant",
                "content": [TextBlock(type="text", text="x").model_dump() | {"annotations": [{"a": 1}]}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "x"}]},
        ),
        # A whole answer of Anthropic's kind, but for its blocks.
        (
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": "x",
                "model": "m",
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1},
            },
            {"role": "assistant", "content": "x"},
        ),
        (
            {"role": "tool", "tool_call_id": "c", "name": "rain", "content": None, "artifact": None},
            {"role": "tool", "tool_call_id": "c", "content": ""},
        ),
        (
            {"role": "assistant", "content": "x", "tool_calls": [], "reasoning": []},
            {"role": "assistant", "content": "x"},
        ),
        ({"role": "assistant", "content": []}, {"role": "assistant", "content": ""}),
        ({"role": "tool", "tool_call_id": "c", "content": []}, {"role": "tool", "tool_call_id": "c", "content": ""}),
        ({"role": "system", "content": []}, {"role": "system", "content": ""}),
        # Parts of a snapshot.
        (
            {
                "role": "assistant",
                "content": "x",
                "reasoning": [
                    {
                        "kind": "reasoning",
                        "text": "Hm.",
                        "complete": True,
                        "call_id": None,
                        "name": None,
                        "arguments": None,
                        "signature": "s",
                        "provider": "p",
                    },
                    {"kind": "reasoning", "text": "", "complete": False, "call_id": None, "name": None},
                ],
            },
            {"role": "assistant", "content": "x", "reasoning": [{"text": "Hm.", "signature": "s", "provider": "p"}]},
        ),
        (
            {
                "role": "assistant",
                "content": "x",
                "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
                "provider_specific_fields": {"citations": None, "thinking_blocks": [{"type": "thinking"}]},
            },
            {
                "role": "assistant",
                "content": "x",
                "reasoning": [{"text": "Hm.", "signature": "s", "provider": "litellm"}],
            },
        ),
    ],
)
def test_messages(message: dict[str, Any], expected: dict[str, Any]) -> None:
    reads(message, expected)


def test_the_request_itself() -> None:
    function: dict[str, Any] = {"name": "rain", "description": None, "parameters": None, "strict": None, "examples": []}
    more: dict[str, Any] = {
        "extra": None,
        "metadata": None,
        "on_interrupt": None,
        "stop": [],
        "tools": [],
        "n": None,
        "logit_bias": {},
        "user": "",
        "response_format": {"type": "text", "json_schema": None},
        "cache": None,
    }
    said = {"role": "assistant", "content": "x"}
    body = {"model": "a/b", "messages": [said], **more}
    asked = read(json.dumps(body).encode(), MAX_PARTS)
    assert json.loads(asked.model_dump_json(exclude_defaults=True)) == {
        "model": "a/b",
        "messages": [{"role": "assistant", "content": "x"}],
        "response_format": {"type": "text"},
    }
    body["tools"] = [{"type": "function", "function": function, "cache_control": None}]
    tools = read(json.dumps(body).encode(), MAX_PARTS).tools
    assert tools is not None
    assert tools[0].function.model_dump(exclude_defaults=True) == {"name": "rain"}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "x", "mood": "good"},
        {"role": "user", "content": None, "name": None},
        {"role": "user", "content": "x", "annotations": [1]},
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "new"}}]},
        {"role": "user", "content": "x", "cache_control": {"type": "ephemeral"}},
        {"role": "assistant", "audio": None},
        {"role": "assistant", "content": "x", "audio": {"id": "a"}},
        {"role": "assistant", "content": "x", "reasoning": [{}]},
        {"role": "assistant", "content": "x", "reasoning": [{"kind": "text", "text": "x"}]},
        {"role": "assistant", "content": "x", "reasoning_content": ["x"]},
        {"role": "assistant", "content": "x", "provider_specific_fields": {"new": 1}},
        {"role": "assistant", "tool_calls": [{**CALL, "index": "a"}]},
        {"role": "assistant", "tool_calls": [{**CALL, "id": None}]},
        {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "rain", "arguments": [1]}}]},
        {"role": "somebody", "content": "x", "name": None},
    ],
)
def test_what_says_something_unknown_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(json.dumps({"model": "a/b", "messages": [message]}).encode(), MAX_PARTS)


def test_what_is_stored_is_read_strictly() -> None:
    with pytest.raises(ValidationError):
        read(b'{"model":"a/b","messages":[{"role":"user","content":"x"}],"n":null}')


def test_a_usual_body_stays_as_it_is() -> None:
    body = {
        "model": "a/b",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": ""}], "name": "n"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning": [{"text": "x", "summary": None}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {}, "x": None}}}],
        "extra": {"p": {"x": None}},
        "metadata": {},
    }
    before = copy.deepcopy(body)
    assert not tidy(body)
    assert body == before
    others: list[Any] = [None, 1, "x", [], {"messages": 1, "tools": {}}, {"messages": [1, None, []]}]
    for other in others:
        assert not tidy(other)


@pytest.mark.parametrize(
    "beside",
    [
        {"citations": [{"type": "char_location", "cited_text": "x", "document_index": 0}]},
        {"index": 0},
        {"index": "lc_txt_0"},
        {"id": "lc_1"},
    ],
)
def test_what_stands_beside_a_text(beside: dict[str, Any]) -> None:
    text = {"type": "text", "text": "Yes."}
    reads({"role": "assistant", "content": [text | beside]}, {"role": "assistant", "content": [text]})
    reads({"role": "user", "content": [text | beside]}, {"role": "user", "content": [text]})


def test_signatures_of_a_whole_answer_repeat_those_of_its_calls() -> None:
    repeats = {"provider_specific_fields": {"thought_signatures": ["s"]}}
    reads({"role": "assistant", "content": "Yes.", **repeats}, {"role": "assistant", "content": "Yes."})
