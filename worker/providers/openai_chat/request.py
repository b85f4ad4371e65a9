"""A request as Chat Completions has it (API reference: "Create chat completion"), and as its imitators do."""

from collections.abc import Iterator
from typing import Any

from shared.config.provider_settings import ProviderSettings
from shared.request.blank_texts import result_of
from shared.request.capabilities import has_tools, lacks, openai_model
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage, Message, SystemMessage, ToolMessage
from shared.request.openai_models import OpenAIModel, taken
from shared.request.reasoning_effort import with_effort
from shared.request.tool_pairing import each_answered
from shared.request.tool_schemas import object_schema
from shared.request.tools import Tool
from worker.providers.labels import openai_labels
from worker.providers.openai_chat import cache_marks, reasoning, thought_signature
from worker.providers.prefill import Prefix
from worker.providers.provider import ProviderError

_UNCHANGED_FIELDS = (
    "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "stop",
    "frequency_penalty", "presence_penalty", "top_k", "logit_bias", "verbosity",
)  # fmt: skip

_OF_TOOLS = ("tool_choice", "parallel_tool_calls")

_FOREIGN: dict[str, Any] = {
    "reasoning": True,
    "tool_calls": {"__all__": {"signature", "provider", "extra_content", "part", "cache_control"}},
}
"""Fields of an earlier answer that go back only to where they came from; the order of an answer has no place here."""


def body(request: GenerationRequest, model: str, endpoint: ProviderSettings, *, official: bool) -> dict[str, Any]:
    """Returns the request as the endpoint takes it.

    OpenAI's own endpoints want `max_completion_tokens`, as reasoning models refuse `max_tokens`, and know the
    role `developer`; compatible ones know `max_tokens` and `system`, which all have had from the start, unless
    their settings say otherwise. Raises ProviderError `bad_request` for what the protocol cannot say, which the API
    refuses before.
    """
    asked = request.model_copy(update={"model": f"/{model}"})
    if missing := lacks(asked, "openai-chat", endpoint):
        raise ProviderError("bad_request", f"{missing[0].pointer} {missing[0].remedy}", retryable=False)
    developer = official if endpoint.developer_role is None else endpoint.developer_role
    known = openai_model(asked, endpoint)
    request = with_effort(request, "openai-chat", model, endpoint)
    fields = taken(request, known, request.given(*_UNCHANGED_FIELDS)) | _reasoning(request, endpoint, known)
    fields |= openai_labels(request)
    if request.logprobs:
        fields |= request.given("logprobs", "top_logprobs")
    marks = cache_marks.are_taken(endpoint)
    if request.tools:
        fields["tools"] = [_tool(tool, marks=marks) for tool in request.tools]
    elif not has_tools(request):
        # "only allowed when 'tools' are specified"; without any they mean nothing.
        fields = {name: value for name, value in fields.items() if name not in _OF_TOOLS}
    if request.max_tokens is not None:
        usual = "max_completion_tokens" if official else "max_tokens"
        fields[endpoint.max_tokens_field or usual] = request.max_tokens
    if request.seed is not None:
        fields[endpoint.seed_field] = request.seed
    if endpoint.stream_options:
        fields["stream_options"] = {"include_usage": True}
    signed = thought_signature.is_taken(endpoint, official=official)
    messages = [
        cache_marks.put_in_place(
            _answer(message, endpoint, signed=signed)
            if isinstance(message, AssistantMessage)
            else _message(message, developer),
            taken=marks,
        )
        for message in each_answered(request.messages)
    ]
    # "message at position 2 with role 'assistant' must not be empty" (MoonshotAI/kimi-code#1985).
    messages = [fields for fields in messages if fields["role"] != "assistant" or any(_said(fields))] or messages
    return {"model": model, "messages": messages, "stream": True, **fields}


def prefill(fields: dict[str, Any], begun: Prefix, endpoint: ProviderSettings) -> None:
    """Lets the request's answer go on from its beginning, in the way of the endpoint.

    The last message is the assistant's: alone (Groq's "Assistant Message Prefilling"), with `prefix` (Mistral's API
    reference, `AssistantMessage`; DeepSeek's "Chat Prefix Completion (Beta)", which takes the reasoning too; LiteLLM's
    "Pre-fix Assistant Messages"), or named as unfinished (vLLM's "Extra parameters", which llama.cpp knows as well).
    """
    message: dict[str, Any] = {"role": "assistant", "content": begun.sent}
    if endpoint.prefill in ("prefix", "mistral", "deepseek"):
        message["prefix"] = True
    if endpoint.prefill == "vllm":
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    if begun.reasoning:
        message["reasoning_content"] = begun.reasoning
    fields["messages"].append(message)


def _said(fields: dict[str, Any]) -> Iterator[Any]:
    """Yields what a message says."""
    return (value for name, value in fields.items() if name not in ("role", "name"))


def _tool(tool: Tool, *, marks: bool) -> dict[str, Any]:
    fields = tool.model_dump(exclude_none=True, exclude=None if marks else {"cache_control"})
    if tool.function.parameters is not None:
        fields["function"]["parameters"] = object_schema(tool.function.parameters)
    return fields


def _reasoning(request: GenerationRequest, endpoint: ProviderSettings, model: OpenAIModel) -> dict[str, Any]:
    if endpoint.reasoning != "openrouter":
        return {} if request.reasoning_effort is None else {"reasoning_effort": model.effort(request.reasoning_effort)}
    # OpenRouter's "Reasoning Tokens": one object for both.
    if request.reasoning_budget is not None:
        return {"reasoning": {"max_tokens": request.reasoning_budget}}
    return {} if request.reasoning_effort is None else {"reasoning": {"effort": request.reasoning_effort}}


def _message(message: Message, developer: bool) -> dict[str, Any]:
    fields = message.model_dump(exclude_none=True)
    if (
        fields.pop("is_error", None)
        and isinstance(message, ToolMessage)
        and isinstance(said := result_of(message), str)
    ):
        fields["content"] = said
    if isinstance(message, SystemMessage) and not developer:
        fields["role"] = "system"
    return fields


def _answer(message: AssistantMessage, endpoint: ProviderSettings, *, signed: bool) -> dict[str, Any]:
    """Returns an earlier answer. Texts that have a place in it are one, as they were when they were said."""
    fields = message.model_dump(exclude_none=True, exclude=_FOREIGN)
    # Some endpoints fail on a message of tool calls alone unless its content is null.
    fields.setdefault("content", None)
    if isinstance(message.content, list) and any(text.part is not None for text in message.content):
        fields["content"] = "".join(text.text for text in message.content)
    if signed:
        for call, sent in zip(message.tool_calls or (), fields.get("tool_calls", ()), strict=True):
            sent |= thought_signature.write(call)
    thoughts = message.reasoning or []
    fields["content"] = reasoning.within(fields["content"], thoughts, endpoint)
    return fields | reasoning.write(thoughts, endpoint)
