"""A request as Chat Completions has it (API reference: "Create chat completion"), and as its imitators do."""

from typing import Any

from shared.config.provider_settings import ProviderSettings
from shared.request.capabilities import lacks
from shared.request.generation_request import AssistantMessage, GenerationRequest, Message, SystemMessage
from worker.providers.openai_chat import reasoning
from worker.providers.prefill import Prefix
from worker.providers.provider import ProviderError

_UNCHANGED_FIELDS = (
    "tools", "tool_choice", "parallel_tool_calls", "response_format", "temperature", "top_p", "stop",
    "frequency_penalty", "presence_penalty",
)  # fmt: skip

_FOREIGN: dict[str, Any] = {"reasoning": True, "tool_calls": {"__all__": {"signature", "provider"}}}
"""Fields of an earlier answer that go back only to where they came from."""


def body(request: GenerationRequest, model: str, endpoint: ProviderSettings, *, official: bool) -> dict[str, Any]:
    """Returns the request as the endpoint takes it.

    OpenAI's own endpoints want `max_completion_tokens`, as reasoning models refuse `max_tokens`, and know the
    role `developer`; compatible ones know `max_tokens` and `system`, which all have had from the start, unless
    their settings say otherwise. Raises ProviderError `bad_request` for what the protocol cannot say, which the API
    refuses before.
    """
    if missing := lacks(request, "openai-chat", endpoint):
        raise ProviderError("bad_request", f"{missing[0].pointer} {missing[0].remedy}", retryable=False)
    developer = official if endpoint.developer_role is None else endpoint.developer_role
    fields = request.given(*_UNCHANGED_FIELDS) | _reasoning(request, endpoint)
    if request.max_tokens is not None:
        usual = "max_completion_tokens" if official else "max_tokens"
        fields[endpoint.max_tokens_field or usual] = request.max_tokens
    if request.seed is not None:
        fields[endpoint.seed_field] = request.seed
    if endpoint.stream_options:
        fields["stream_options"] = {"include_usage": True}
    messages = [_message(message, endpoint, developer) for message in request.messages]
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


def _reasoning(request: GenerationRequest, endpoint: ProviderSettings) -> dict[str, Any]:
    if endpoint.reasoning != "openrouter":
        return request.given("reasoning_effort")
    # OpenRouter's "Reasoning Tokens": one object for both.
    if request.reasoning_budget is not None:
        return {"reasoning": {"max_tokens": request.reasoning_budget}}
    return {} if request.reasoning_effort is None else {"reasoning": {"effort": request.reasoning_effort}}


def _message(message: Message, endpoint: ProviderSettings, developer: bool) -> dict[str, Any]:
    fields = message.model_dump(exclude_none=True, exclude=_FOREIGN if isinstance(message, AssistantMessage) else None)
    if isinstance(message, SystemMessage) and not developer:
        fields["role"] = "system"
    if isinstance(message, AssistantMessage):
        # Some endpoints fail on a message of tool calls alone unless its content is null.
        fields.setdefault("content", None)
        fields["content"] = reasoning.within(fields["content"], message.reasoning or [], endpoint)
        fields |= reasoning.write(message.reasoning or [], endpoint)
    return fields
