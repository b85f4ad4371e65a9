"""Requests in the shape of OpenAI Chat, as Gemini has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.genai.types import Content, GenerationConfig, Tool, ToolConfig

from shared.config.provider_settings import ProviderSettings
from shared.request.capabilities import lacks
from shared.request.generation_request import GenerationRequest
from worker.providers.gemini.answer import NO_SIGNATURE
from worker.providers.gemini.request import body
from worker.providers.openai_chat.request import body as chat_body
from worker.providers.provider import ProviderError

Ask = Callable[..., GenerationRequest]

NEW, OLD = "gemini-3-flash-preview", "gemini-2.5-flash"


def tool_call(call_id: str, arguments: str, **signed: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": f"f_{call_id}", "arguments": arguments}, **signed}


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What?"},
    {"role": "user", "content": [{"type": "text", "text": "When?"}, {"type": "text", "text": ""}]},
    {"role": "developer", "content": [{"type": "text", "text": "In German."}]},
    {"role": "assistant", "content": "", "tool_calls": [tool_call("a", '{"x":1}'), tool_call("b", "")]},
    {
        "role": "tool",
        "tool_call_id": "b",
        "content": [{"type": "text", "text": '{"rain": '}, {"type": "text", "text": "2}"}],
    },
    {"role": "tool", "tool_call_id": "a", "content": "[1]"},
    {"role": "user", "content": "So?"},
    {"role": "assistant", "content": None, "refusal": "I cannot."},
    {"role": "assistant", "content": "Or can I?"},
    {"role": "user", "content": "You can."},
]


def test_a_conversation(ask: Ask) -> None:
    fields = body(ask(messages=CONVERSATION), OLD)
    assert fields["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In German."}]}
    assert fields["contents"] == [
        {"role": "user", "parts": [{"text": "What?"}, {"text": "When?"}]},
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "a", "name": "f_a", "args": {"x": 1}}},
                {"functionCall": {"id": "b", "name": "f_b", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "b", "name": "f_b", "response": {"rain": 2}}},
                {"functionResponse": {"id": "a", "name": "f_a", "response": {"output": "[1]"}}},
                {"text": "So?"},
            ],
        },
        {"role": "model", "parts": [{"text": "I cannot."}, {"text": "Or can I?"}]},
        {"role": "user", "parts": [{"text": "You can."}]},
    ]
    assert "generationConfig" not in fields


def calls_of(fields: dict[str, Any]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in fields["contents"][1]["parts"]]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("gemini", OLD, ["c2ln", None]),
        ("gemini", NEW, ["c2ln", None]),
        # Another provider's is not sent; Gemini 3 wants one, if only the word for none.
        ("anthropic", OLD, [None, None]),
        ("anthropic", NEW, [NO_SIGNATURE, None]),
    ],
)
def test_a_signature_goes_back_to_where_it_came_from(ask: Ask, provider: str, model: str, expected: list[Any]) -> None:
    calls = [tool_call("a", "{}", signature="c2ln", provider=provider), tool_call("b", "{}")]
    request = ask(messages=[{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": calls}])
    assert calls_of(body(request, model)) == expected
    made = chat_body(request, "m", ProviderSettings(protocol="openai-chat"), official=True)["messages"][1]["tool_calls"]
    assert made == [tool_call("a", "{}"), tool_call("b", "{}")]


def test_a_signature_says_whose_it_is(ask: Ask) -> None:
    with pytest.raises(ValueError, match="needs provider"):
        ask(messages=[{"role": "assistant", "tool_calls": [tool_call("a", "{}", signature="c2ln")]}])


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("https://x.test/a.png?b", {"fileData": {"fileUri": "https://x.test/a.png?b", "mimeType": "image/png"}}),
        ("https://x.test/v1beta/files/abc", {"fileData": {"fileUri": "https://x.test/v1beta/files/abc"}}),
        ("data:image/PNG;base64,aGk=", {"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
        ("DATA:image/gif;x=y;base64,aGk%3D", {"inlineData": {"mimeType": "image/gif", "data": "aGk="}}),
        ("data:image/webp,h%69", {"inlineData": {"mimeType": "image/webp", "data": "aGk="}}),
    ],
)
def test_images(ask: Ask, url: str, part: dict[str, Any]) -> None:
    content = [{"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]
    assert body(ask(messages=[{"role": "user", "content": content}]), OLD)["contents"][0]["parts"] == [part]


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ({"file_data": "data:text/plain;base64,aGk="}, {"inlineData": {"mimeType": "text/plain", "data": "aGk="}}),
        (
            {"file_url": "https://x.test/a.pdf", "filename": "b"},
            {"fileData": {"fileUri": "https://x.test/a.pdf", "mimeType": "application/pdf"}},
        ),
    ],
)
def test_files(ask: Ask, file: dict[str, str], part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "Read."}, {"type": "file", "file": file}]
    parts = body(ask(messages=[{"role": "user", "content": content}]), OLD)["contents"][0]["parts"]
    assert parts == [{"text": "Read."}, part]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def test_images_in_a_tools_result(ask: Ask) -> None:
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [tool_call("a", "{}")]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "Here."}, IMAGE]},
    ]
    assert body(ask(messages=messages), NEW)["contents"][2]["parts"][0]["functionResponse"] == {
        "id": "a",
        "name": "f_a",
        "response": {"output": "Here."},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
    }
    missing = lacks(ask(messages=messages).model_copy(update={"model": f"gemini/{OLD}"}), "gemini")
    assert [lack.pointer for lack in missing] == ["/messages/2/content/1"]


MINE = {"provider": "gemini"}


@pytest.mark.parametrize(
    ("reasoning", "content", "expected"),
    [
        ([{"text": "Hm.", **MINE}], "a", [{"text": "Hm.", "thought": True}, {"text": "a"}]),
        (
            [{"text": "Hm.", "signature": "YQ==", **MINE}, {"signature": "c2ln", **MINE}],
            "a",
            [
                {"text": "Hm.", "thought": True, "thoughtSignature": "YQ=="},
                {"text": "a", "thoughtSignature": "c2ln"},
            ],
        ),
        ([{"signature": "c2ln", **MINE}], "", [{"text": "", "thoughtSignature": "c2ln"}]),
        ([{"text": "Hm."}, {"signature": "c2ln", "provider": "anthropic"}], "a", [{"text": "a"}]),
    ],
)
def test_reasoning_goes_back_to_where_it_came_from(
    ask: Ask, reasoning: list[dict[str, str]], content: str, expected: list[dict[str, Any]]
) -> None:
    answer = {"role": "assistant", "content": content, "reasoning": reasoning}
    assert body(ask(messages=[{"role": "user", "content": "?"}, answer]), OLD)["contents"][1]["parts"] == expected


def function(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def test_tools(ask: Ask) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
    tools = [function("rain", description="Does it rain?", parameters=schema), function("wind")]
    fields = body(ask(tools=tools), OLD)
    assert fields["tools"] == [
        {
            "functionDeclarations": [
                {"name": "rain", "description": "Does it rain?", "parametersJsonSchema": schema},
                {"name": "wind"},
            ]
        }
    ]
    assert "toolConfig" not in fields


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        ("auto", None, {"mode": "AUTO"}),
        ("auto", True, {"mode": "VALIDATED"}),
        (None, True, {"mode": "VALIDATED"}),
        ("none", True, {"mode": "NONE"}),
        ("required", True, {"mode": "ANY"}),
        (function("rain"), None, {"mode": "ANY", "allowedFunctionNames": ["rain"]}),
    ],
)
def test_tool_choice(ask: Ask, choice: Any, strict: bool | None, expected: dict[str, Any]) -> None:
    tools = [function("wind"), function("rain", strict=strict)]
    fields = body(ask(tools=tools, tool_choice=choice, parallel_tool_calls=True), OLD)
    assert fields["toolConfig"] == {"functionCallingConfig": expected}


def config(request: GenerationRequest, model: str = OLD) -> dict[str, Any]:
    found: dict[str, Any] = body(request, model)["generationConfig"]
    return found


def test_sampling(ask: Ask) -> None:
    assert config(
        ask(
            temperature=2, top_p=0.5, max_tokens=9, seed=-1, frequency_penalty=1.5, presence_penalty=-1, stop=["a", "b"]
        )
    ) == {
        "temperature": 2,
        "topP": 0.5,
        "maxOutputTokens": 9,
        "seed": -1,
        "frequencyPenalty": 1.5,
        "presencePenalty": -1,
        "stopSequences": ["a", "b"],
    }
    assert config(ask(stop="a")) == {"stopSequences": ["a"]}


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": SCHEMA}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"description": "d", **SCHEMA}},
        ),
    ],
)
def test_response_format(ask: Ask, asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(ask(response_format=asked)) == expected
    assert "generationConfig" not in body(ask(response_format={"type": "text"}), OLD)


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (OLD, "none", {"thinkingBudget": 0}),
        (OLD, "minimal", {"includeThoughts": True, "thinkingBudget": 512}),
        (OLD, "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        (OLD, "medium", {"includeThoughts": True, "thinkingBudget": 8192}),
        (OLD, "high", {"includeThoughts": True, "thinkingBudget": 24_576}),
        (OLD, "xhigh", {"includeThoughts": True, "thinkingBudget": 24_576}),
        ("gemini-2.5-pro", "xhigh", {"includeThoughts": True, "thinkingBudget": 32_768}),
        (NEW, "minimal", {"includeThoughts": True, "thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", "high", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-flash-latest", "low", {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ("gemini-10", "xhigh", {"includeThoughts": True, "thinkingLevel": "XHIGH"}),
    ],
)
def test_thinking(ask: Ask, model: str, effort: str, expected: dict[str, Any]) -> None:
    assert config(ask(reasoning_effort=effort), model) == {"thinkingConfig": expected}


@pytest.mark.parametrize("model", [OLD, NEW])
def test_thinking_by_budget(ask: Ask, model: str) -> None:
    expected = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 77}}
    assert config(ask(reasoning_budget=77), model) == expected


def test_the_sdk_knows_every_field(ask: Ask) -> None:
    """Its types refuse a field that is not the protocol's; the request is made without them."""
    thought = {"signature": "c2ln", "provider": "gemini"}
    signed = tool_call("a", "{}", signature="c2ln", provider="gemini")
    fields = body(
        ask(
            messages=[
                *CONVERSATION,
                {"role": "user", "content": [IMAGE, {"type": "file", "file": {"file_url": "https://x.test/a.pdf"}}]},
                {"role": "assistant", "tool_calls": [signed], "reasoning": [thought]},
                {"role": "tool", "tool_call_id": "a", "content": [IMAGE]},
            ],
            tools=[function("rain", description="d", parameters=SCHEMA, strict=True)],
            tool_choice=function("rain"),
            response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
            reasoning_effort="low",
            temperature=1,
            top_p=1,
            max_tokens=1,
            seed=1,
            frequency_penalty=1,
            presence_penalty=1,
            stop="x",
        ),
        NEW,
    )
    for content in (*fields.pop("contents"), fields.pop("systemInstruction")):
        Content.model_validate(content)
    Tool.model_validate(fields.pop("tools")[0])
    ToolConfig.model_validate(fields.pop("toolConfig"))
    GenerationConfig.model_validate(fields.pop("generationConfig"))
    assert fields == {}


def said(**message: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "?"}, message]}


@pytest.mark.parametrize(
    ("fields", "model", "pointer"),
    [
        ({"parallel_tool_calls": False}, OLD, "/parallel_tool_calls"),
        ({"reasoning_effort": "none"}, "gemini-2.5-pro", "/reasoning_effort"),
        ({"reasoning_effort": "none"}, NEW, "/reasoning_effort"),
        ({"stop": list("abcdef")}, OLD, "/stop"),
        ({"seed": 1 << 31}, OLD, "/seed"),
        ({"tool_choice": "required"}, OLD, "/tool_choice"),
        ({"messages": [{"role": "system", "content": "x"}]}, OLD, "/messages"),
        ({"messages": [{"role": "user", "content": ""}]}, OLD, "/messages"),
        (said(role="user", name="Ada", content="x"), OLD, "/messages/1/name"),
        (said(role="tool", tool_call_id="a", content="x"), OLD, "/messages/1/tool_call_id"),
        (
            said(
                role="user", content=[{"type": "image_url", "image_url": {"url": "https://x.test/", "detail": "low"}}]
            ),
            OLD,
            "/messages/1/content/0/image_url/detail",
        ),
        *(
            (
                said(role="assistant", tool_calls=[tool_call("a", text)]),
                OLD,
                "/messages/1/tool_calls/0/function/arguments",
            )
            for text in ("{", "[]", "1", "[" * 100_000)
        ),
    ],
)
def test_what_the_protocol_cannot_say(ask: Ask, fields: dict[str, Any], model: str, pointer: str) -> None:
    request = ask(**fields)
    missing = lacks(request.model_copy(update={"model": f"gemini/{model}"}), "gemini")
    assert [lack.pointer for lack in missing] == [pointer]
    with pytest.raises(ProviderError) as refused:
        body(request, model)
    assert (refused.value.code, refused.value.retryable) == ("bad_request", False)
    assert pointer in refused.value.message


def test_everything_that_it_can_say_is_let_pass(ask: Ask) -> None:
    tools = [function("rain")]
    request = ask(messages=CONVERSATION, tools=tools, tool_choice="required", seed=1, reasoning_effort="none", stop="x")
    assert lacks(request.model_copy(update={"model": f"gemini/{OLD}"}), "gemini") == []


@pytest.mark.parametrize("result", ['{"x": NaN}', '{"x": 1e999}', '{"x": "\\ud83d"}', '{"x": ' * 500 + "1" + "}" * 500])
def test_a_tools_result_that_is_no_json_to_send_is_text(ask: Ask, result: str) -> None:
    messages = [
        {"role": "user", "content": "What?"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("a", '{"x": "\\ud83d"}')]},
        {"role": "tool", "tool_call_id": "a", "content": result},
    ]
    called, answered = body(ask(messages=messages), OLD)["contents"][1:]
    assert called["parts"][0]["functionCall"]["args"] == {"x": "\ufffd"}
    assert answered["parts"][0]["functionResponse"]["response"] == {"output": result}


def test_a_failed_result_is_an_error(ask: Ask) -> None:
    def response(content: str, failed: bool) -> Any:
        result = {"role": "tool", "tool_call_id": "a", "content": content, "is_error": failed}
        fields = body(ask(messages=[{"role": "assistant", "tool_calls": [tool_call("a", "{}")]}, result]), NEW)
        return fields["contents"][-1]["parts"][0]["functionResponse"]["response"]

    assert response("No.", True) == {"error": "No."}
    assert response('{"a": 1}', True) == {"error": {"a": 1}}
    assert response("", True) == {"error": "Error"}
    assert response("No.", False) == {"output": "No."}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": True, "top_logprobs": 3, "top_k": 40}, {"responseLogprobs": True, "logprobs": 3, "topK": 40}),
    ],
)
def test_probabilities_and_candidates(ask: Ask, asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(ask(**asked), NEW) == expected
    GenerationConfig.model_validate(expected)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [("flex", "flex"), ("default", "standard"), ("standard", "standard"), ("auto", None), ("on_demand", None)],
)
def test_tiers(ask: Ask, tier: str, expected: str | None) -> None:
    fields = body(ask(service_tier=tier, user="u", prompt_cache_key="k", safety_identifier="s"), NEW)
    assert fields.pop("serviceTier", None) == expected
    assert fields == body(ask(), NEW)
