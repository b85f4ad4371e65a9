"""The parameter that a provider refused is named; what the request holds is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsBase
from google.genai.types import FunctionDeclaration, GenerationConfig, Part, Schema
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from worker.providers.error_layers import layers_of
from worker.providers.error_words import folded
from worker.providers.refused_parameter import refused_parameter
from worker.providers.request_names import FIELDS, NAMES

LONG = "messages" + ".0.content" * 30


@pytest.mark.parametrize(
    ("param", "shown"),
    [
        ("messages[3].content[0].text", "messages[3].content[0].text"),
        ("messages.[0].content", "messages.[0].content"),
        ("tools[0].function.parameters", "tools[0].function.parameters"),
        ("max_completion_tokens", "max_completion_tokens"),
        ("input[2].content[0].image_url", "input[2].content[0].image_url"),
        ("#/tools/0/input_schema", "tools/0/input_schema"),
        ("body.temperature", "temperature"),
        # A field of `extra`, which no list can know.
        ("a_new_option", "a_new_option"),
        ("thinkingBudget2", "thinkingBudget2"),
        ("tools.3.computer_20250124.display_width_px", "tools.3.computer_20250124"),
        # What may be the caller's own ends it.
        ("tools[0].function.parameters.properties.SECRET.type", "tools[0].function.parameters.properties"),
        ("tools[0].function.parameters.properties.name", "tools[0].function.parameters.properties"),
        ("tools[0].parameters.$defs.SECRET", "tools[0].parameters.$defs"),
        ("metadata.SECRET", "metadata"),
        ("metadata['SECRET']", "metadata"),
        ("metadata.123456", "metadata"),
        ("logit_bias.50256", "logit_bias"),
        ("messages[1].content[0].input.SECRET", "messages[1].content[0].input"),
        ("messages[0].content.SECRET", "messages[0].content"),
        ("messages[0].content.secret", "messages[0].content"),
        (LONG, "messages" + ".0.content" * 12),
        # What is no path is nothing.
        ("SECRET", None),
        ("the SECRET of messages", None),
        ("messages: SECRET", None),
        ("sk-proj-SECRET123", None),
        ("secret-word", None),
        ("messages.0.content-secret", "messages.0"),
        ("gsk_a1B2c3D4e5F6g7H8", None),
        ("sk_ab12cd34ef56ab78", None),
        ("AIzaSyD1234567890", None),
        ("x" * 41, None),
        ("0", None),
        ("None", None),
        ("null", None),
        ("", None),
        (7, None),
        (None, None),
        (["messages"], None),
    ],
)
def test_param(param: object, shown: str | None) -> None:
    assert refused_parameter(layers_of({"error": {"message": "no", "param": param}})) == shown


@pytest.mark.parametrize(
    ("loc", "shown"),
    [
        (["body", "messages", 0, "content"], "messages.0.content"),
        (["body", "max_tokens"], "max_tokens"),
        (["messages", 0, "ChatCompletionUserMessageParam", "content"], "messages.0"),
        (["body", "metadata", "SECRET"], "metadata"),
        (["body", "SECRET"], None),
        (["body"], None),
        ([], None),
        ("body", None),
    ],
)
def test_loc(loc: object, shown: str | None) -> None:
    error = {"detail": [{"type": "missing", "loc": loc, "msg": "Field required", "input": "SECRET"}]}
    assert refused_parameter(layers_of(error)) == shown


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (
            "tools[0].function_declarations[6].parameters.properties[4].value.properties[10].value",
            "tools[0].function_declarations[6].parameters.properties[4].value.properties[10].value",
        ),
        ("generationConfig.thinkingConfig.thinkingBudget", "generationConfig.thinkingConfig.thinkingBudget"),
        ("contents[0].parts[1].SECRET", "contents[0].parts[1]"),
        ("SECRET", None),
        (5, None),
    ],
)
def test_field_violations(field: object, shown: str | None) -> None:
    violation = {"field": field, "description": "Invalid JSON payload received. SECRET"}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    assert refused_parameter(layers_of([{"error": {"code": 400, "details": details}}])) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("tools.80.custom.input_schema: JSON schema is invalid. SECRET", "tools.80.custom.input_schema"),
        ("messages.3.content.0.text: SECRET", "messages.3.content.0.text"),
        ("messages.1.content.0.tool_use.input.SECRET: no", "messages.1.content.0.tool_use.input"),
        ("max_tokens: 100000 > 64000, which is the maximum", "max_tokens"),
        ("thinking.budget_tokens: Input should be greater than or equal to 1024", "thinking.budget_tokens"),
        ("API Error: 400 tools.12.custom.input_schema: no", "tools.12.custom.input_schema"),
        ("The model returned the following errors: messages.0.content: no", "messages.0.content"),
        (
            "Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `SECRET`",
            "messages[1]",
        ),
        ("Malformed input request: #/messages/0/content: expected type", "messages/0/content"),
        ("1 validation error detected: Value at 'messages.1.member.content' failed", "messages.1.member.content"),
        ("Invalid request: tools.function.parameters is not a valid moonshot flavored", "tools.function.parameters"),
        ("'messages.0' : for 'role:user' the following must be satisfied", "messages.0"),
        ("* GenerateContentRequest.contents[0].parts: SECRET", "contents[0].parts"),
        ("Invalid type for 'messages[0].content': expected a string", "messages[0].content"),
        ("Unsupported parameter: 'max_tokens' is not supported with this model", "max_tokens"),
        ("Unrecognized request argument supplied: top_k", "top_k"),
        (
            "Invalid JSON payload received. Unknown name \"SECRET\" at 'tools[0].function_declarations[1].parameters'",
            "tools[0].function_declarations[1].parameters",
        ),
        # A field of `extra` at Anthropic.
        ("a_new_option: Extra inputs are not permitted", "a_new_option"),
        ("secret: the prompt says so", None),
        ("SECRET: Extra inputs are not permitted", None),
        ("SECRET.messages: no", None),
        ("Invalid value for 'secret'", None),
        ("That is not supported for model gpt-x", None),
        ("The content of messages is SECRET", None),
        ("Invalid request", None),
        ("https://example.com: no", None),
        ("x" * 500 + " messages.0: no", None),
        ("", None),
    ],
)
def test_the_head_of_the_message(message: str, shown: str | None) -> None:
    assert refused_parameter(layers_of({"error": {"type": "invalid_request_error", "message": message}})) == shown


def test_what_a_text_quotes_has_to_be_known() -> None:
    for param, shown in (("secret", None), ("messages.0", "messages.0")):
        quoted = f'litellm.BadRequestError: {{"error": {{"message": "no", "param": "{param}"}}}}'
        assert refused_parameter(layers_of({"error": {"message": quoted}})) == shown


def _unknown(names: Iterable[str], known: frozenset[str]) -> list[str]:
    return [name for name in names if folded(name) not in known]


def test_the_fields_of_the_sdks_are_known() -> None:
    requests: tuple[Any, ...] = (CompletionCreateParamsBase, ResponseCreateParamsBase, MessageCreateParamsBase)
    for request in requests:
        assert _unknown(request.__annotations__, FIELDS) == []


def test_names_below_are_known() -> None:
    assert _unknown(Schema.model_fields, NAMES) == []
    assert _unknown(FunctionDeclaration.model_fields, NAMES) == []
    assert _unknown(GenerationConfig.model_fields, NAMES) == []
    assert _unknown(Part.model_fields, NAMES) == []
