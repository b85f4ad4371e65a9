"""What models of Claude refuse, by their names and the version of Anthropic's API."""

import re
from collections.abc import Iterator

from shared.config.provider_settings import ProviderSettings
from shared.request.blank_texts import ends_with_answer, has_text
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage, ToolMessage
from shared.request.tools import NamedTool
from shared.request.unsupported import Unsupported

MIN_THINKING_TOKENS = 1024
"""Tokens: the smallest budget of reasoning that Anthropic takes."""

_CLAUDE = re.compile(r"claude-([a-z]+)-(\d+)(?:[-.](\d{1,2}))?(?!\d)")
NO_BUDGET = (4, 7)
"""From here on Claude refuses a budget of thinking, and takes an effort: Opus 4.7 and 4.8, all of Claude 5; there was
no other 4.7 (platform.claude.com: "Troubleshooting thinking")."""

CLAUDE_WITHOUT_SAMPLING = (4, 7)
"""From here on Claude refuses any `temperature` and `top_p` but the default, and any `top_k` (platform.claude.com:
migration guides)."""

API_VERSION_WITHOUT_SAMPLING = "2026-10-21"
"""From this version of Anthropic's API on sampling is refused on every model, at the default too (platform.claude.com:
"Migrating to API version 2026-10-21")."""

SAMPLING_FIELDS = ("temperature", "top_p", "top_k")
"""Anthropic's fields of sampling; requests have them under the same names."""

_ONE_SAMPLING = (4, 0)
"""From here on Claude takes one of them, not both (platform.claude.com: "Migration guide")."""

_ALWAYS_THINKS = {"fable": (5, 0), "mythos": (5, 0), "opus": (5, 5)}
"""From here on `thinking` cannot be disabled (platform.claude.com: migration guides of Fable 5 and Opus 5.5)."""

_NEVER_FORCED = {"fable": (5, 1), "mythos": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
"""From here on no tool can be forced (platform.claude.com: migration guides of Opus 5.5 and Sonnet 5.5)."""

MAX_MARKS = 4
"""Marks of a cached prompt that a request may have (platform.claude.com: "Prompt caching": "up to 4 cache
breakpoints")."""

_NO_PREFILL = (4, 6)
"""From here on Claude refuses the beginning of an answer (API reference: "Errors", "Prefill not supported")."""
_OLD_CLAUDE = re.compile(r"claude-(?:v?\d|instant)")
_ANSWERS_ANEW = re.compile(r"gemini|\b(?:chat)?gpt-|\bo\d\b")
"""Models that refuse the beginning of an answer, or answer it: Gemini ("Latest models": "Prefilling model turns is no
longer supported") and OpenAI's, through whichever gateway."""


def claude_version(model: str) -> tuple[int, int] | None:
    """Returns the version in a name like `claude-opus-4-7`; None where there is none, as in older and other names."""
    match = _CLAUDE.search(model)
    return (int(match[2]), int(match[3] or 0)) if match else None


def claude_is(model: str, since: dict[str, tuple[int, int]]) -> bool:
    """Says whether a model is one of these families of Claude, and at least as new."""
    match = _CLAUDE.search(model)
    return match is not None and match[1] in since and (claude_version(model) or (0, 0)) >= since[match[1]]


def sampled(model: str, endpoint: ProviderSettings | None) -> bool:
    """Says whether Claude takes `temperature`, `top_p` and `top_k`, by its model and its endpoint's fixed version."""
    fixed = endpoint.anthropic_version if endpoint is not None else None
    return (claude_version(model) or (0, 0)) < CLAUDE_WITHOUT_SAMPLING and (
        fixed is None or fixed < API_VERSION_WITHOUT_SAMPLING
    )


def takes_prefill(model: str) -> bool:
    """Says whether a model can go on from the beginning of an answer, by its name; its endpoint must allow it too."""
    if "claude" not in model:
        return _ANSWERS_ANEW.search(model) is None
    version = claude_version(model)
    return _OLD_CLAUDE.search(model) is not None if version is None else version < _NO_PREFILL


def is_forced(request: GenerationRequest) -> bool:
    """Says whether a tool must be called."""
    return request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool)


def refused(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    """Yields what the model refuses of a request."""
    if request.tools and is_forced(request) and claude_is(request.model, _NEVER_FORCED):
        yield Unsupported(
            "/tool_choice", "this model cannot be forced to call a tool; use auto, and say so in a message"
        )
    if request.reasoning_effort == "none" and claude_is(request.model, _ALWAYS_THINKS):
        yield Unsupported("/reasoning_effort", "this model cannot be kept from thinking; use minimal")
    if len(marks := list(_marks(request))) > MAX_MARKS and "claude" in request.model:
        yield Unsupported(marks[MAX_MARKS], f"there can be {MAX_MARKS} for this provider; leave out one")
    yield from _sampling(request, endpoint)
    yield from _budget(request)
    yield from _last_word(request)


def _sampling(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    version = claude_version(request.model) or (0, 0)
    values = {"temperature": request.temperature, "top_p": request.top_p}
    if not sampled(request.model, endpoint):
        who = (
            "model samples in its own way"
            if version >= CLAUDE_WITHOUT_SAMPLING
            else "provider's anthropic_version has no sampling"
        )
        for name, value in {**values, "top_k": request.top_k}.items():
            if value is not None and (value != 1 or name == "top_k"):
                yield Unsupported(f"/{name}", f"this {who}; leave it out, or ask for it in a message")
    elif version >= _ONE_SAMPLING and None not in values.values():
        yield Unsupported("/top_p", "this model takes temperature or top_p, not both; leave one out")


def _marks(request: GenerationRequest) -> Iterator[str]:
    """Yields where the request has a mark, in the order in which Claude reads it: tools first."""
    for index, tool in enumerate(request.tools or ()):
        if tool.cache_control is not None:
            yield f"/tools/{index}/cache_control"
    for at, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for index, part in enumerate(message.content):
                if part.cache_control is not None:
                    yield f"/messages/{at}/content/{index}/cache_control"
        if isinstance(message, AssistantMessage):
            for index, call in enumerate(message.tool_calls or ()):
                if call.cache_control is not None:
                    yield f"/messages/{at}/tool_calls/{index}/cache_control"
        elif isinstance(message, ToolMessage) and message.cache_control is not None:
            yield f"/messages/{at}/cache_control"


def _last_word(request: GenerationRequest) -> Iterator[Unsupported]:
    at = ends_with_answer(request, has_text)
    if at is not None and (claude_version(request.model) or (0, 0)) >= _NO_PREFILL:
        yield Unsupported(
            f"/messages/{at}", "this model goes on from no beginning of an answer; end with the user's words"
        )


def _budget(request: GenerationRequest) -> Iterator[Unsupported]:
    budget = request.reasoning_budget
    if budget is None:
        return
    if budget < MIN_THINKING_TOKENS:
        yield Unsupported("/reasoning_budget", f"must be at least {MIN_THINKING_TOKENS} for this provider")
    elif request.max_tokens is not None and budget >= request.max_tokens:
        yield Unsupported(
            "/reasoning_budget", "must be less than max_tokens, which counts reasoning too for this provider"
        )
