"""A request in the shape of OpenAI Chat, as Anthropic Messages has it (API reference: "Create a Message")."""

from typing import Any

from shared.config.provider_settings import ProviderSettings
from shared.request.blank_texts import result_of
from shared.request.capabilities import lacks
from shared.request.claude_models import MIN_THINKING_TOKENS, SAMPLING_FIELDS, claude_is, claude_version, sampled
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage, SystemMessage, ToolMessage, UserMessage
from shared.request.reasoning_effort import with_effort
from shared.request.response_formats import SchemaFormat
from shared.request.tool_schemas import object_schema
from shared.request.tools import NamedTool, Tool
from worker.providers.anthropic.answer import answer_blocks, takes_unsigned
from worker.providers.anthropic.contents import contents, marked, texts
from worker.providers.labels import shortened, tier_named
from worker.providers.provider import ProviderError

DEFAULT_MAX_TOKENS = 4096
"""Tokens of answer where the request sets no limit: the protocol demands one, and every model can do this."""

THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Tokens of thinking for each `reasoning_effort`, on models with a budget; added to the default limit."""

TIERS = frozenset({"auto", "standard_only"})
"""The protocol's tiers; those of other providers are left out, as `auto` is what it does without one."""

MAX_USER_CHARS = 256
"""Characters that `metadata.user_id` may have (API reference: `Metadata`)."""

_ADAPTIVE = (4, 6)
"""From this version on Claude decides by itself how much to think, within an effort."""

_THINKS = (5, 0)
"""From this version on Claude thinks unless kept from it (platform.claude.com: "Troubleshooting thinking")."""

_BETWEEN_TOOLS = {"sonnet": (5, 5)}
"""From these versions on `between_tools` turns thinking off (platform.claude.com: "Migrating to Claude Sonnet 5.5")."""

_RENAMED_EFFORTS = {"minimal": "low"}

_XHIGH = (4, 7)
"""From this version on `xhigh` exists; before it `max` follows `high` (platform.claude.com: "Migration guide")."""


def body(request: GenerationRequest, model: str, endpoint: ProviderSettings | None = None) -> dict[str, Any]:
    """Returns the request as the protocol has it.

    System and developer messages become the system prompt, wherever they stand. Raises ProviderError `bad_request` for
    what the protocol cannot say, which the API refuses before.
    """
    if missing := lacks(request.model_copy(update={"model": model}), "anthropic", endpoint):
        raise ProviderError("bad_request", f"{missing[0].pointer} {missing[0].remedy}", retryable=False)
    messages = _messages(request, unsigned=takes_unsigned(model, endpoint))
    fields: dict[str, Any] = {"model": model, "stream": True, "messages": messages}
    instructions = [message for message in request.messages if isinstance(message, SystemMessage)]
    if system := [block for message in instructions for block in texts(message.content)]:
        fields["system"] = system
    if request.stop is not None:
        fields["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.tools:
        fields["tools"] = [_tool(tool) for tool in request.tools]
        if (choice := _tool_choice(request)) is not None:
            fields["tool_choice"] = choice
    fields |= _limits(request, model)
    if isinstance(request.response_format, SchemaFormat):
        fields.setdefault("output_config", {})["format"] = _format(request.response_format)
    if sampled(model, endpoint):
        fields |= request.given(*SAMPLING_FIELDS)
    return fields | _labels(request)


def _labels(request: GenerationRequest) -> dict[str, Any]:
    """Returns who asks, and the tier, if it is one of the protocol's; it has no key of a cached prompt."""
    labels: dict[str, Any] = {}
    if (user := request.user or request.safety_identifier) is not None:
        labels["metadata"] = {"user_id": shortened(user, MAX_USER_CHARS)}
    if request.service_tier is not None and (tier := tier_named("standard_only", request.service_tier)) in TIERS:
        labels["service_tier"] = tier
    return labels


def thinks(request: GenerationRequest, model: str) -> bool:
    """Says whether the request turns thinking on."""
    return "thinking" in _limits(request, model)


def _format(asked: SchemaFormat) -> dict[str, Any]:
    """Returns the format for structured output (API reference: "Structured outputs").

    It is always strict, and the schema's name is only for us.
    """
    schema = dict(asked.json_schema.schema_)
    if asked.json_schema.description is not None:
        schema.setdefault("description", asked.json_schema.description)
    return {"type": "json_schema", "schema": schema}


def _limits(request: GenerationRequest, model: str) -> dict[str, Any]:
    """Returns `max_tokens`, which counts thinking and answer together, and how much to think.

    Claude from 4.6 on decides by itself, within an effort, and from 5 on also without one. The models before it, and
    compatible ones, take a budget: at most half of the request's limit, and none where that leaves less than the
    1,024 tokens that a budget must have.
    """
    request = with_effort(request, "anthropic", model, None)
    if request.reasoning_budget is not None:
        limit = request.max_tokens or DEFAULT_MAX_TOKENS + request.reasoning_budget
        return {"max_tokens": limit, "thinking": {"type": "enabled", "budget_tokens": request.reasoning_budget}}
    effort = request.reasoning_effort
    version = claude_version(model) or (0, 0)
    if effort is None or effort == "none":
        limit = request.max_tokens or DEFAULT_MAX_TOKENS
        if effort is None or version < _THINKS:
            return {"max_tokens": limit}
        off = "between_tools" if claude_is(model, _BETWEEN_TOOLS) else "disabled"
        return {"max_tokens": limit, "thinking": {"type": off}}
    thinking = THINKING_TOKENS[effort]
    limit = request.max_tokens or DEFAULT_MAX_TOKENS + thinking
    if version >= _ADAPTIVE:
        # What viewers see of it; without this the newest models send an empty part.
        thinks = {"type": "adaptive", "display": "summarized"}
        word = "max" if effort == "xhigh" and version < _XHIGH else _RENAMED_EFFORTS.get(effort, effort)
        return {"max_tokens": limit, "thinking": thinks, "output_config": {"effort": word}}
    budget = min(thinking, limit // 2) if request.max_tokens else thinking
    if budget < MIN_THINKING_TOKENS:
        return {"max_tokens": limit}
    return {"max_tokens": limit, "thinking": {"type": "enabled", "budget_tokens": budget}}


def _tool(tool: Tool) -> dict[str, Any]:
    fields = tool.function.model_dump(include={"name", "description", "strict"}, exclude_none=True)
    return marked(fields | {"input_schema": object_schema(tool.function.parameters)}, tool.cache_control)


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


def _messages(request: GenerationRequest, *, unsigned: bool) -> list[dict[str, Any]]:
    """Returns messages, user and assistant in turn: tool results are user content, neighbours of one role are one."""
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        if isinstance(message, SystemMessage):
            continue
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        blocks = _blocks(message, unsigned)
        if not blocks:
            continue
        if role == "user":
            _end_answer(messages)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    _end_answer(messages)
    if messages and messages[-1]["role"] == "assistant" and messages[-1]["content"][-1]["type"] == "text":
        # "final assistant content cannot end with trailing whitespace" (guide "Prefill Claude's response").
        last = messages[-1]["content"][-1]
        last["text"] = last["text"].rstrip()
    return messages


def _end_answer(messages: list[dict[str, Any]]) -> None:
    """Takes away thinking behind which nothing was said: the answer had no room for more, or that goes no further.

    "The final block in an assistant message cannot be `thinking`" (Anthropic's error).
    """
    while messages and messages[-1]["role"] == "assistant":
        blocks = messages[-1]["content"]
        while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
            blocks.pop()
        if blocks:
            return
        messages.pop()


def _blocks(message: UserMessage | AssistantMessage | ToolMessage, unsigned: bool) -> list[dict[str, Any]]:
    if isinstance(message, ToolMessage):
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": contents(result_of(message))}
        return [marked(result | ({"is_error": True} if message.is_error else {}), message.cache_control)]
    if isinstance(message, UserMessage):
        return contents(message.content)
    return answer_blocks(message, unsigned=unsigned)
