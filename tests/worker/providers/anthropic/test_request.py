"""Requests in the shape of OpenAI Chat, as Messages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from shared.request.generation_request import GenerationRequest
from worker.providers.anthropic.request import body
from worker.providers.provider import ProviderError

Ask = Callable[..., GenerationRequest]


def said(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def tool_call(call_id: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "rain", "arguments": arguments}}


def test_a_conversation(ask: Ask) -> None:
    fields = body(
        ask(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What?"},
                {"role": "user", "content": [{"type": "text", "text": "When?"}, {"type": "text", "text": ""}]},
                {"role": "developer", "content": [{"type": "text", "text": "In German."}]},
                {"role": "assistant", "content": "", "tool_calls": [tool_call("a", '{"x":1}'), tool_call("b", "")]},
                {"role": "tool", "tool_call_id": "a", "content": "No."},
                {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "Yes."}]},
                {"role": "user", "content": "So?"},
                {"role": "assistant", "content": None, "refusal": "I cannot."},
                {"role": "assistant", "content": "Or can I?"},
                {"role": "user", "content": "You can."},
            ]
        ),
        "m",
    )
    assert fields["system"] == said("Be brief.") + said("In German.")
    assert fields["messages"] == [
        {"role": "user", "content": said("What?") + said("When?")},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "rain", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "rain", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": said("No.")},
                {"type": "tool_result", "tool_use_id": "b", "content": said("Yes.")},
                *said("So?"),
            ],
        },
        {"role": "assistant", "content": said("I cannot.") + said("Or can I?")},
        {"role": "user", "content": said("You can.")},
    ]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.com/a.png", {"type": "url", "url": "https://example.com/a.png"}),
        ("data:image/PNG;base64,aGk=", {"type": "base64", "media_type": "image/png", "data": "aGk="}),
        ("DATA:image/gif;x=y;base64,aGk%3D", {"type": "base64", "media_type": "image/gif", "data": "aGk="}),
        ("data:image/webp,h%69", {"type": "base64", "media_type": "image/webp", "data": "aGk="}),
    ],
)
def test_images(ask: Ask, url: str, source: dict[str, str]) -> None:
    assert base64.b64decode("aGk=") == b"hi"
    content = [{"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]
    fields = body(ask(messages=[{"role": "user", "content": content}]), "m")
    assert fields["messages"][0]["content"] == [{"type": "image", "source": source}]


def test_files(ask: Ask) -> None:
    files = [
        {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
        {"file_data": "data:text/csv;base64,YSxiCg=="},
        {"file_url": "https://example.com/b.pdf"},
    ]
    content = [{"type": "file", "file": file} for file in files]
    fields = body(ask(messages=[{"role": "user", "content": content}]), "m")
    assert fields["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b\n"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
    ]


def test_a_tool_result_with_an_image(ask: Ask) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [tool_call("a", "{}")]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "Here."}, image]},
    ]
    (result,) = body(ask(messages=messages), "m")["messages"][2]["content"]
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert result["content"] == [*said("Here."), {"type": "image", "source": source}]


def test_reasoning_goes_back_signed_and_first(ask: Ask) -> None:
    reasoning = [
        {"text": "Hm.", "signature": "c2ln", "provider": "anthropic"},
        {"encrypted": "b3BhcXVl", "provider": "anthropic"},
        {"text": "unsigned", "provider": "anthropic"},
        {"text": "plain"},
        {"encrypted": "theirs", "provider": "openai"},
    ]
    answer = {"role": "assistant", "content": "Yes.", "refusal": "No.", "reasoning": reasoning}
    answer["tool_calls"] = [tool_call("a", "{}")]
    fields = body(ask(messages=[{"role": "user", "content": "?"}, answer]), "m")
    assert fields["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        *said("Yes."),
        *said("No."),
        {"type": "tool_use", "id": "a", "name": "rain", "input": {}},
    ]


def test_json_of_a_schema(ask: Ask) -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "description": "An x."}}
    fields = body(ask(response_format=asked, reasoning_effort="low"), NEW)
    expected = {"type": "json_schema", "schema": {**schema, "description": "An x."}}
    assert fields["output_config"] == {"effort": "low", "format": expected}
    assert "output_config" not in body(ask(response_format={"type": "text"}), NEW)


def test_tools(ask: Ask) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    functions = [
        {"name": "rain", "description": "Does it rain?", "parameters": schema, "strict": True},
        {"name": "wind"},
    ]
    fields = body(ask(tools=[{"type": "function", "function": function} for function in functions]), "m")
    assert fields["tools"] == [
        {"name": "rain", "description": "Does it rain?", "input_schema": schema, "strict": True},
        {"name": "wind", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in fields


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "rain"}}, True, {"type": "tool", "name": "rain"}),
    ],
)
def test_tool_choice(ask: Ask, choice: Any, parallel: bool | None, expected: dict[str, Any]) -> None:
    tools = [{"type": "function", "function": {"name": "rain"}}]
    fields = body(ask(tools=tools, tool_choice=choice, parallel_tool_calls=parallel), "m")
    assert fields["tool_choice"] == expected
    assert "tool_choice" not in body(ask(parallel_tool_calls=parallel), "m")


@pytest.mark.parametrize(("stop", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_stop(ask: Ask, stop: Any, expected: list[str]) -> None:
    assert body(ask(stop=stop), "m")["stop_sequences"] == expected


def test_sampling(ask: Ask) -> None:
    fields = body(ask(temperature=1, top_p=0.5), "m")
    assert (fields["temperature"], fields["top_p"]) == (1, 0.5)
    assert not {"temperature", "top_p"} & body(ask(), "m").keys()
    # What is the default anyway; said, it may be refused.
    assert not {"temperature", "top_p"} & body(ask(temperature=1, top_p=1), NEW).keys()


OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-7"


@pytest.mark.parametrize(
    ("model", "effort", "limit", "expected"),
    [
        (OLD, None, None, {"max_tokens": 4096}),
        (OLD, "none", 100, {"max_tokens": 100}),
        (OLD, "medium", None, {"max_tokens": 12288, "thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (OLD, "xhigh", 10_000, {"max_tokens": 10_000, "thinking": {"type": "enabled", "budget_tokens": 5000}}),
        (OLD, "high", 2047, {"max_tokens": 2047}),
        (NEW, "none", None, {"max_tokens": 4096}),
        ("claude-sonnet-5", None, None, {"max_tokens": 4096}),
        ("claude-sonnet-5", "none", 100, {"max_tokens": 100, "thinking": {"type": "disabled"}}),
        ("claude-haiku-5-5", "none", 100, {"max_tokens": 100, "thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", "none", 100, {"max_tokens": 100, "thinking": {"type": "between_tools"}}),
    ],
)
def test_thinking_by_budget_or_none(
    ask: Ask, model: str, effort: Any, limit: int | None, expected: dict[str, Any]
) -> None:
    fields = body(ask(reasoning_effort=effort, max_tokens=limit), model)
    assert {name: fields[name] for name in fields if name not in ("model", "stream", "messages")} == expected


@pytest.mark.parametrize(("limit", "expected"), [(None, 4096 + 2000), (2001, 2001)])
def test_a_budget_of_reasoning(ask: Ask, limit: int | None, expected: int) -> None:
    fields = body(ask(reasoning_budget=2000, max_tokens=limit), OLD)
    assert fields["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert fields["max_tokens"] == expected


@pytest.mark.parametrize(
    ("model", "decides_itself"),
    [
        *((name, True) for name in ("claude-opus-4-6", "claude-sonnet-5", "anthropic.claude-opus-4-7-v1:0")),
        *((name, True) for name in ("claude-haiku-5-20270101", "anthropic/claude-opus-4.8", "claude-opus-10")),
        *((name, False) for name in ("claude-sonnet-4-20250514", "claude-opus-4-1-20250805", "claude-haiku-4-5")),
        *((name, False) for name in ("claude-3-7-sonnet-20250219", "reasoning?deltas=9", "glm-5")),
    ],
)
def test_newer_models_take_an_effort(ask: Ask, model: str, decides_itself: bool) -> None:
    fields = body(ask(reasoning_effort="minimal"), model)
    assert fields["thinking"]["type"] == ("adaptive" if decides_itself else "enabled")
    assert fields.get("output_config") == ({"effort": "low"} if decides_itself else None)


@pytest.mark.parametrize(("model", "word"), [("claude-opus-4-6", "max"), (NEW, "xhigh"), ("claude-opus-5", "xhigh")])
def test_the_highest_effort(ask: Ask, model: str, word: str) -> None:
    assert body(ask(reasoning_effort="xhigh"), model)["output_config"] == {"effort": word}


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 1.01},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": ""}]},
        *(
            {"messages": [{"role": "assistant", "tool_calls": [tool_call("a", arguments)]}]}
            for arguments in ("{", "[]", "1", "[" * 100_000)
        ),
        {"response_format": {"type": "json_object"}},
        {"reasoning_budget": 1023},
    ],
)
def test_what_the_protocol_cannot_say(ask: Ask, fields: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as refused:
        body(ask(**fields), "m")
    assert (refused.value.code, refused.value.retryable) == ("bad_request", False)


def test_no_answer_ends_with_thinking(ask: Ask) -> None:
    thought = [{"text": "Hm.", "signature": "s", "provider": "anthropic", "part": 1}]
    messages = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": [{"type": "text", "text": "That.", "part": 0}], "reasoning": thought},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "", "reasoning": thought},
        {"role": "user", "content": "So?"},
        {"role": "assistant", "content": "", "reasoning": thought},
        {"role": "assistant", "content": "This."},
    ]
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    assert body(ask(messages=messages), "claude-sonnet-4-5")["messages"] == [
        {"role": "user", "content": said("What?")},
        {"role": "assistant", "content": said("That.")},
        {"role": "user", "content": said("And?") + said("So?")},
        {"role": "assistant", "content": [thinking, *said("This.")]},
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"), [("null", {}), ('{"x": "\\ud83d"}', {"x": "\ufffd"}), ('{"x": "\n"}', {"x": "\n"})]
)
def test_arguments_that_are_nearly_json(ask: Ask, arguments: str, expected: dict[str, Any]) -> None:
    messages = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("a", arguments)]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    fields = body(ask(messages=messages), "claude-sonnet-4-5")
    assert fields["messages"][1]["content"][0]["input"] == expected


@pytest.mark.parametrize("arguments", ['{"x": NaN}', '{"x": 1e999}', "[1]"])
def test_arguments_that_cannot_be_sent(ask: Ask, arguments: str) -> None:
    messages = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("a", arguments)]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    with pytest.raises(ProviderError, match="/messages/1/tool_calls/0/function/arguments"):
        body(ask(messages=messages), "claude-sonnet-4-5")


MARK = {"type": "ephemeral", "ttl": "5m"}


def test_marks_and_failures_stand_at_their_blocks(ask: Ask) -> None:
    marked = {"cache_control": MARK}
    fields = body(
        ask(
            messages=[
                {"role": "system", "content": [{"type": "text", "text": "s", **marked}]},
                {"role": "user", "content": [{"type": "text", "text": "u", **marked}]},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "a", **marked}],
                    "tool_calls": [tool_call("a", "{}") | marked, tool_call("b", "{}")],
                },
                {"role": "tool", "tool_call_id": "a", "content": "No.", "is_error": True, **marked},
                {"role": "tool", "tool_call_id": "b", "content": "", "is_error": True},
            ],
            tools=[{"type": "function", "function": {"name": "rain"}, **marked}],
        ),
        "m",
    )
    assert fields["system"] == [{"type": "text", "text": "s", **marked}]
    assert fields["tools"] == [{"name": "rain", "input_schema": {"type": "object", "properties": {}}, **marked}]
    user, answer, results = (message["content"] for message in fields["messages"])
    assert user == [{"type": "text", "text": "u", **marked}]
    assert answer == [
        {"type": "text", "text": "a", **marked},
        {"type": "tool_use", "id": "a", "name": "rain", "input": {}, **marked},
        {"type": "tool_use", "id": "b", "name": "rain", "input": {}},
    ]
    failed = {"type": "tool_result", "is_error": True}
    assert results == [
        {**failed, "tool_use_id": "a", "content": said("No."), **marked},
        {**failed, "tool_use_id": "b", "content": said("Error")},
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"user": "u", "safety_identifier": "s"}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "s", "prompt_cache_key": "k"}, {"metadata": {"user_id": "s"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "flex"}, {}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"logprobs": False, "verbosity": "medium"}, {}),
    ],
)
def test_labels_and_sampling(ask: Ask, asked: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = body(ask(), "m")
    assert body(ask(**asked), "m") == plain | expected


def test_who_asks_is_told_in_as_many_characters_as_there_may_be(ask: Ask) -> None:
    ids = {body(ask(user="u" * length), "m")["metadata"]["user_id"] for length in (256, 257, 300)}
    assert "u" * 256 in ids
    assert {len(one) for one in ids - {"u" * 256}} == {64}
    assert len(ids) == 3


def test_a_budget_is_an_effort_for_newer_models(ask: Ask) -> None:
    fields = body(ask(reasoning_budget=20_000, max_tokens=900), NEW)
    assert fields["output_config"] == {"effort": "high"}
    assert fields["thinking"]["type"] == "adaptive"
    assert fields["max_tokens"] == 900
