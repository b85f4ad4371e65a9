"""Requests in the shape of OpenAI Chat, as Responses has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from shared.request.generation_request import GenerationRequest
from worker.providers.openai_responses.request import body
from worker.providers.provider import ProviderError

Ask = Callable[..., GenerationRequest]

PARAMETERS: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsStreaming)


def written(request: GenerationRequest, **options: Any) -> dict[str, Any]:
    """The body, which the SDK's own types must allow."""
    fields = body(request, "m", **{"background": False, **options})
    # The types want of an assistant's message what only a stored one has.
    stored = {"id": "msg_1", "status": "completed"}
    given = [item | stored if isinstance(item.get("content"), list) else item for item in fields["input"]]
    PARAMETERS.validate_python({**fields, "input": given})
    return fields


def call(call_id: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": f"f_{call_id}", "arguments": arguments}}


PNG = "data:image/png;base64,aGk="
PDF = "data:application/pdf;base64,aGk="


def test_a_conversation(ask: Ask) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What?"},
        {"role": "developer", "content": [{"type": "text", "text": "In German."}]},
        {"role": "assistant", "content": "So.", "tool_calls": [call("a", '{"x":1}'), call("b", "")]},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {
            "role": "tool",
            "tool_call_id": "a",
            "content": [{"type": "text", "text": "1"}, {"type": "image_url", "image_url": {"url": PNG}}],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Or"}, {"type": "text", "text": ""}],
            "refusal": "No.",
        },
    ]
    assert written(ask(messages=messages))["input"] == [
        {"type": "message", "role": "system", "content": "Be brief."},
        {"type": "message", "role": "user", "content": "What?"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "In German."}]},
        {"type": "message", "role": "assistant", "content": "So."},
        {"type": "function_call", "call_id": "a", "name": "f_a", "arguments": '{"x":1}'},
        {"type": "function_call", "call_id": "b", "name": "f_b", "arguments": ""},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {
            "type": "function_call_output",
            "call_id": "a",
            "output": [
                {"type": "input_text", "text": "1"},
                {"type": "input_image", "image_url": PNG, "detail": "auto"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Or"}, {"type": "refusal", "refusal": "No."}],
        },
    ]


def test_images_and_files(ask: Ask) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
        {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": PDF}},
        {"type": "file", "file": {"file_url": "https://example.org/a.pdf", "filename": "a.pdf"}},
    ]
    assert written(ask(messages=[{"role": "user", "content": parts}]))["input"][0]["content"] == [
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
        {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
        {"type": "input_file", "file_data": PDF, "filename": "file.pdf"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]


OURS = {"encrypted": "ZW5j", "provider": "openai", "item_id": "rs_1"}


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        pytest.param([OURS], [{"id": "rs_1", "summary": [], "encrypted_content": "ZW5j"}], id="not a word"),
        pytest.param(
            [{"text": "A", "summary": True, "item_id": "rs_1"}, {**OURS, "text": "B", "summary": True}],
            [
                {
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}],
                    "encrypted_content": "ZW5j",
                }
            ],
            id="summaries",
        ),
        pytest.param(
            [{**OURS, "text": "A"}, {**OURS, "item_id": "rs_2"}],
            [
                {
                    "id": "rs_1",
                    "summary": [],
                    "encrypted_content": "ZW5j",
                    "content": [{"type": "reasoning_text", "text": "A"}],
                },
                {"id": "rs_2", "summary": [], "encrypted_content": "ZW5j"},
            ],
            id="two items",
        ),
        pytest.param([{"text": "A", "summary": True, "item_id": "rs_1"}], [], id="nothing encrypted"),
        pytest.param([{**OURS, "provider": "openrouter/openai-responses-v1"}], [], id="another's"),
        pytest.param([{"encrypted": "ZW5j", "provider": "openai"}], [], id="no id"),
    ],
)
def test_reasoning_goes_back_where_it_is_ours(
    ask: Ask, reasoning: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    answer = {"role": "assistant", "content": "x", "reasoning": reasoning}
    items = written(ask(messages=[{"role": "user", "content": "?"}, answer]))["input"]
    assert items[1:-1] == [{"type": "reasoning", **item} for item in expected]


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
FUNCTION = {"name": "rain", "description": "Rain.", "parameters": SCHEMA, "strict": True}
WEB_SEARCH = {"extra": {"acme": {"tools": [{"type": "web_search"}]}}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"max_tokens": 9, "temperature": 2.0, "top_p": 0.5},
            {"max_output_tokens": 9, "temperature": 2.0, "top_p": 0.5},
        ),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}),
        (
            {"tools": [{"type": "function", "function": FUNCTION}, {"type": "function", "function": {"name": "wind"}}]},
            {
                "tools": [
                    {"type": "function", **FUNCTION},
                    # Unlike in Chat it would be strict if nothing was said.
                    {
                        "type": "function",
                        "name": "wind",
                        "parameters": {"type": "object", "properties": {}},
                        "strict": False,
                    },
                ]
            },
        ),
        ({"tool_choice": "required", **WEB_SEARCH}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "rain"}}, **WEB_SEARCH},
            {"tool_choice": {"type": "function", "name": "rain"}},
        ),
        # Without anything to choose from it means nothing.
        ({"tool_choice": "auto", "tools": []}, {}),
        ({"response_format": {"type": "text"}}, {"text": {"format": {"type": "text"}}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"},
                }
            },
            {
                "text": {
                    "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
                }
            },
        ),
        ({"metadata": {"mine": "x"}, "deadline": 9.0, "ttl": 9.0}, {}),
    ],
)
def test_fields(ask: Ask, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    request = ask(**fields)
    assert written(request) == written(ask()) | expected


def test_an_answer_goes_back_in_its_own_order(ask: Ask) -> None:
    def thought(id: str, part: int, **fields: Any) -> dict[str, Any]:
        return {"item_id": id, "part": part, "provider": "openai", **fields}

    def call(id: str, part: int) -> dict[str, Any]:
        return {"id": id, "function": {"name": "rain", "arguments": "{}"}, "part": part}

    answer = {
        "role": "assistant",
        "reasoning": [
            thought("rs_1", 0, text="a", summary=True),
            thought("rs_1", 1, text="b", summary=True, encrypted="MQ=="),
            thought("rs_2", 3, encrypted="Mg=="),
        ],
        "content": [{"type": "text", "text": "x", "part": 4}, {"type": "text", "text": "y", "part": 5}],
        "refusal": "no",
        "tool_calls": [call("c2", 2), call("c6", 6), call("c7", 7)],
    }
    items = written(ask(messages=[answer]))["input"]
    assert [item.get("id") or item.get("call_id") or item["type"] for item in items] == [
        "rs_1", "c2", "rs_2", "message", "c6", "c7",
    ]  # fmt: skip
    assert [summary["text"] for summary in items[0]["summary"]] == ["a", "b"]
    assert [content["type"] for content in items[3]["content"]] == ["output_text", "output_text", "refusal"]


def test_what_is_stored(ask: Ask) -> None:
    fields = written(ask())
    assert (fields["store"], fields["include"]) == (False, ["reasoning.encrypted_content"])
    assert "background" not in fields
    fields = written(ask(), background=True)
    assert (fields["store"], fields["background"], fields.get("include")) == (True, True, None)
    assert "include" not in written(ask(), encrypted=False)


def test_what_the_protocol_cannot_say_is_refused(ask: Ask) -> None:
    with pytest.raises(ProviderError, match="/seed") as caught:
        body(ask(seed=1), "m", background=False)
    assert (caught.value.code, caught.value.retryable) == ("bad_request", False)


def test_reasoning_behind_which_nothing_was_said_is_left_out(ask: Ask) -> None:
    def thought(at: int) -> dict[str, Any]:
        return {"encrypted": f"e{at}", "item_id": f"rs_{at}", "provider": "openai", "part": at}

    messages = [
        {"role": "user", "content": "What?"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "That.", "part": 1}],
            "reasoning": [thought(0), thought(2)],
        },
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "", "reasoning": [thought(3)]},
        {"role": "assistant", "content": None, "tool_calls": [call("a", "{}")]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    items = written(ask(messages=messages))["input"]
    assert [item.get("id") for item in items if item["type"] == "reasoning"] == ["rs_0", "rs_3"]


def test_what_clients_send_besides(ask: Ask) -> None:
    labels = {"user": "u", "prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex"}
    plain = written(ask())
    got = written(ask(logprobs=True, top_logprobs=2, verbosity="low", **labels))
    include = ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert got == plain | labels | {"include": include, "top_logprobs": 2, "text": {"verbosity": "low"}}
    assert written(ask(logprobs=True), background=True)["include"] == ["message.output_text.logprobs"]
    assert written(ask(logprobs=False, top_logprobs=0)) == plain
    formatted = written(ask(verbosity="high", response_format={"type": "json_object"}))
    assert formatted["text"] == {"format": {"type": "json_object"}, "verbosity": "high"}


def test_a_budget_is_an_effort(ask: Ask) -> None:
    assert written(ask(reasoning_budget=5000))["reasoning"] == {"effort": "medium", "summary": "auto"}


def test_a_failed_result_says_so_in_its_text(ask: Ask) -> None:
    mark = {"type": "ephemeral"}
    result = {"role": "tool", "tool_call_id": "a", "content": "", "is_error": True, "cache_control": mark}
    calls = {"role": "assistant", "tool_calls": [call("a", "{}") | {"cache_control": mark}]}
    items = written(ask(messages=[calls, result]))["input"]
    assert items[-1] == {"type": "function_call_output", "call_id": "a", "output": "Error"}
    assert "cache_control" not in items[0]
