"""A request in the shape of OpenAI Chat, as Anthropic Messages has it (API reference: "Create a Message")."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from shared.requests import (
    AssistantMessage,
    GenerationRequest,
    ImagePart,
    NamedTool,
    SystemMessage,
    TextPart,
    Tool,
    ToolMessage,
    UserMessage,
)
from worker.providers.provider import ProviderError

DEFAULT_MAX_TOKENS = 4096
"""Tokens of answer where the request sets no limit: the protocol demands one, and every model can do this."""

THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Tokens of thinking for each `reasoning_effort`, on models with a budget; added to the default limit."""

_MIN_THINKING = 1024

_VERSION = re.compile(r"claude-[a-z]+-(\d+)(?:[-.](\d{1,2}))?(?!\d)")


def body(request: GenerationRequest, model: str) -> dict[str, Any]:
    """The request as the SDK's `messages.create` takes it.

    System and developer messages become the system prompt, wherever they stand. Raises ProviderError
    `bad_request` for what the protocol cannot say.
    """
    fields: dict[str, Any] = {"model": model, "stream": True, "messages": _messages(request)}
    instructions = [message for message in request.messages if isinstance(message, SystemMessage)]
    system = [block for message in instructions for block in _texts(message.content)]
    if system:
        fields["system"] = system
    if request.stop is not None:
        fields["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.tools:
        fields["tools"] = [_tool(tool) for tool in request.tools]
        if (choice := _tool_choice(request)) is not None:
            fields["tool_choice"] = choice
    fields |= _limits(request, model)
    if sampling := request.given("temperature", "top_p"):
        if (request.temperature or 0) > 1:
            raise _refused("temperature must be at most 1 for this provider")
        fields |= sampling
    return fields


def _refused(sentence: str) -> ProviderError:
    return ProviderError("bad_request", sentence, retryable=False)


def _limits(request: GenerationRequest, model: str) -> dict[str, Any]:
    """`max_tokens`, which counts thinking and answer together, and how much to think.

    Claude from 4.6 on decides by itself, within an effort. The models before it, and compatible ones, take a
    budget: at most half of the request's limit, and none where that leaves less than the 1,024 tokens that a
    budget must have.
    """
    effort = request.reasoning_effort
    if effort is None or effort == "none":
        return {"max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS}
    thinking = THINKING_TOKENS[effort]
    limit = request.max_tokens or DEFAULT_MAX_TOKENS + thinking
    if _decides_itself(model):
        # What viewers see of it; without this the newest models send an empty part.
        thinks = {"type": "adaptive", "display": "summarized"}
        level = "low" if effort == "minimal" else effort
        return {"max_tokens": limit, "thinking": thinks, "output_config": {"effort": level}}
    budget = min(thinking, limit // 2) if request.max_tokens else thinking
    if budget < _MIN_THINKING:
        return {"max_tokens": limit}
    return {"max_tokens": limit, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _decides_itself(model: str) -> bool:
    match = _VERSION.search(model)
    return match is not None and (int(match[1]), int(match[2] or 0)) >= (4, 6)


def _tool(tool: Tool) -> dict[str, Any]:
    fields = tool.function.model_dump(include={"name", "description", "strict"}, exclude_none=True)
    return fields | {"input_schema": {"type": "object", **(tool.function.parameters or {})}}


def _tool_choice(request: GenerationRequest) -> dict[str, Any] | None:
    choice = request.tool_choice
    if choice == "none":
        return {"type": "none"}
    single = {"disable_parallel_tool_use": True} if request.parallel_tool_calls is False else {}
    if isinstance(choice, NamedTool):
        return {"type": "tool", "name": choice.function.name, **single}
    if choice is None and not single:
        return None
    return {"type": "any" if choice == "required" else "auto", **single}


def _messages(request: GenerationRequest) -> list[dict[str, Any]]:
    """User and assistant in turn: tool results are user content, neighbours of one role are one message."""
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        if isinstance(message, SystemMessage):
            continue
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if not messages:
        raise _refused("this provider needs a message that is neither system nor empty")
    return messages


def _blocks(message: UserMessage | AssistantMessage | ToolMessage) -> list[dict[str, Any]]:
    if isinstance(message, ToolMessage):
        result = _texts(message.content)
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": result}]
    if isinstance(message, UserMessage):
        if isinstance(message.content, str):
            return _texts(message.content)
        return [block for part in message.content for block in _part(part)]
    blocks = _texts(message.content or message.refusal or "")
    for call in message.tool_calls or ():
        arguments = _arguments(call.function.arguments)
        blocks.append({"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments})
    return blocks


def _texts(content: str | list[TextPart]) -> list[dict[str, Any]]:
    """Text blocks; the protocol refuses empty ones."""
    texts = [content] if isinstance(content, str) else [part.text for part in content]
    return [{"type": "text", "text": text} for text in texts if text]


def _part(part: TextPart | ImagePart) -> list[dict[str, Any]]:
    if isinstance(part, TextPart):
        return _texts([part])
    url = part.image_url.url
    source = _data_source(url) if url[:5].lower() == "data:" else {"type": "url", "url": url}
    return [{"type": "image", "source": source}]


def _data_source(url: str) -> dict[str, Any]:
    """A `data:` URL (RFC 2397) as a base64 source."""
    header, comma, payload = url[5:].partition(",")
    media_type, *parameters = header.split(";")
    if not (comma and media_type):
        raise _refused("an image's data: URL must be data:<media type>;base64,<data>")
    raw = unquote_to_bytes(payload)
    if "base64" in parameters:
        try:
            raw = base64.b64decode(raw, validate=True)
        except binascii.Error:
            raise _refused("an image's data: URL holds no valid base64") from None
    return {"type": "base64", "media_type": media_type.lower(), "data": base64.b64encode(raw).decode()}


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _refused("the arguments of an earlier tool call must be a JSON object for this provider")
    return value
