"""What a protocol can say: a request that asks for more is refused before it is queued, and never silently cut."""

import json
import re
from collections.abc import Callable, Iterator

from shared.config.protocols import PROTOCOLS, Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request.blank_texts import ends_with_answer, has_text, nothing_said
from shared.request.generation_request import (
    AssistantMessage,
    FilePart,
    GenerationRequest,
    ImagePart,
    Message,
    NamedTool,
    ObjectFormat,
    ToolMessage,
    is_data,
)
from shared.request.openai_models import OpenAIModel, refused, refused_over_chat
from shared.request.tool_schemas import flaw
from shared.request.unsupported import Unsupported

MIN_THINKING_TOKENS = 1024
"""Tokens: the smallest budget of reasoning that Anthropic takes."""

ANTHROPIC_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Media types of images that Anthropic takes (API reference: "Vision")."""

_CLAUDE = re.compile(r"claude-([a-z]+)-(\d+)(?:[-.](\d{1,2}))?(?!\d)")
_NO_BUDGET = (4, 7)
"""From here on Claude refuses a budget of thinking: Opus 4.7 and 4.8, all of Claude 5; there was no other 4.7
(platform.claude.com: "Troubleshooting thinking")."""

CLAUDE_WITHOUT_SAMPLING = (4, 7)
"""From here on Claude refuses any `temperature` and `top_p` but the default (platform.claude.com: migration guides)."""

API_VERSION_WITHOUT_SAMPLING = "2026-10-21"
"""From this version of Anthropic's API on sampling is refused on every model, at the default too (platform.claude.com:
"Migrating to API version 2026-10-21")."""

SAMPLING_FIELDS = ("temperature", "top_p", "top_k")
"""Anthropic's fields of sampling; the last has no place in our requests, but in `extra`."""

_ONE_SAMPLING = (4, 0)
"""From here on Claude takes one of them, not both (platform.claude.com: "Migration guide")."""

_ALWAYS_THINKS = {"fable": (5, 0), "mythos": (5, 0), "opus": (5, 5)}
"""From here on `thinking` cannot be disabled (platform.claude.com: migration guides of Fable 5 and Opus 5.5)."""

_NEVER_FORCED = {"fable": (5, 1), "mythos": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
"""From here on no tool can be forced (platform.claude.com: migration guides of Opus 5.5 and Sonnet 5.5)."""

_NO_PREFILL = (4, 6)
"""From here on Claude refuses the beginning of an answer (API reference: "Errors", "Prefill not supported")."""
_OLD_CLAUDE = re.compile(r"claude-(?:v?\d|instant)")
_ANSWERS_ANEW = re.compile(r"gemini|\b(?:chat)?gpt-|\bo\d\b")
"""Models that refuse the beginning of an answer, or answer it: Gemini ("Latest models": "Prefilling model turns is no
longer supported") and OpenAI's, through whichever gateway."""

GEMINI_MAX_STOPS = 5
"""Stop sequences that Gemini takes (API reference: `GenerationConfig`)."""

_GEMINI = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_GEMINI_3 = (3, 0)
"""From here on Gemini always thinks, and takes images in a tool's result (API reference: "Gemini 3")."""


def lacks(
    request: GenerationRequest, protocol: Protocol, endpoint: ProviderSettings | None = None
) -> list[Unsupported]:
    """Returns what of a request a provider of this protocol, or this very endpoint, has no way to honour."""
    remedy = f"cannot be honoured by a provider of protocol {protocol}; leave it out"
    missing = [
        Unsupported(f"/{name}", remedy) for name in PROTOCOLS[protocol].no_fields if getattr(request, name) is not None
    ]
    missing += _schemas(request)
    values = _VALUES.get(protocol)
    return missing + list(values(request, endpoint)) if values else missing


def openai_model(request: GenerationRequest, endpoint: ProviderSettings | None) -> OpenAIModel:
    """Returns which of OpenAI's models a request is for; none of them behind a gateway that names their vendor.

    OpenRouter and LiteLLM leave out what a model refuses, or say so themselves.
    """
    gateway = endpoint is not None and endpoint.reasoning in ("openrouter", "litellm")
    return OpenAIModel("" if gateway else request.model.partition("/")[2])


def claude_version(model: str) -> tuple[int, int] | None:
    """Returns the version in a name like `claude-opus-4-7`; None where there is none, as in older and other names."""
    match = _CLAUDE.search(model)
    return (int(match[2]), int(match[3] or 0)) if match else None


def claude_is(model: str, since: dict[str, tuple[int, int]]) -> bool:
    """Says whether a model is one of these families of Claude, and at least as new."""
    match = _CLAUDE.search(model)
    return match is not None and match[1] in since and (claude_version(model) or (0, 0)) >= since[match[1]]


def gemini_version(model: str) -> tuple[int, int] | None:
    """Returns the version in a name like `gemini-2.5-pro`; None where there is none, as in `gemini-flash-latest`."""
    match = _GEMINI.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def sampled(model: str, endpoint: ProviderSettings | None) -> bool:
    """Says whether Claude takes `temperature` and `top_p`, by its model and the version its endpoint is fixed to."""
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


def media_type(url: str) -> str:
    """Returns the media type of a `data:` URL."""
    return url[5:].partition(",")[0].partition(";")[0].lower()


def _schemas(request: GenerationRequest) -> Iterator[Unsupported]:
    for index, tool in enumerate(request.tools or ()):
        if (wrong := flaw(tool.function.parameters, tool.function.strict)) is not None:
            yield Unsupported(f"/tools/{index}/function/parameters", wrong)


def has_tools(request: GenerationRequest) -> bool:
    """Says whether there are tools to choose from: functions, or a provider's own."""
    return bool(request.tools) or any("tools" in fields for fields in request.extra.values())


def _forced(request: GenerationRequest) -> bool:
    return request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool)


def _nothing_to_choose(request: GenerationRequest) -> Iterator[Unsupported]:
    if _forced(request) and not has_tools(request):
        yield Unsupported("/tool_choice", "needs tools to choose from")


def _chat(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    model = openai_model(request, endpoint)
    yield from refused(request, model)
    yield from refused_over_chat(request, model, endpoint)
    yield from _nothing_to_choose(request)
    if request.reasoning_budget is not None and (endpoint is None or endpoint.reasoning != "openrouter"):
        yield Unsupported("/reasoning_budget", "this provider takes no number; give reasoning_effort instead")
    for pointer, part in request.pieces():
        message = request.messages[int(pointer.split("/")[2])]
        if isinstance(message, ToolMessage) and isinstance(part, ImagePart):
            yield Unsupported(
                pointer, "a tool's result can only be text for this provider; send the image in a user message"
            )
        if isinstance(part, FilePart) and part.file.file_url is not None:
            yield Unsupported(
                f"{pointer}/file/file_url", "this provider fetches no files; send the content in file_data"
            )


def _responses(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    yield from refused(request, openai_model(request, endpoint))
    yield from _nothing_to_choose(request)
    for at, message in enumerate(request.messages):
        yield from _names(at, message)


def _anthropic(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    if isinstance(request.response_format, ObjectFormat):
        yield Unsupported("/response_format/type", "this provider needs a schema; use json_schema")
    if (request.temperature or 0) > 1:
        yield Unsupported("/temperature", "must be at most 1 for this provider")
    if _forced(request) and not request.tools:
        yield Unsupported("/tool_choice", "needs tools to choose from")
    elif _forced(request) and claude_is(request.model, _NEVER_FORCED):
        yield Unsupported(
            "/tool_choice", "this model cannot be forced to call a tool; use auto, and say so in a message"
        )
    if request.reasoning_effort == "none" and claude_is(request.model, _ALWAYS_THINKS):
        yield Unsupported("/reasoning_effort", "this model cannot be kept from thinking; use minimal")
    yield from _sampling(request, endpoint)
    yield from _budget(request)
    yield from nothing_said(request, has_text)
    yield from _last_word(request)
    if request.stop is not None and not all(
        map(has_text, [request.stop] if isinstance(request.stop, str) else request.stop)
    ):
        yield Unsupported("/stop", "must not be blank for this provider")
    for at, message in enumerate(request.messages):
        yield from _names(at, message)
        yield from _arguments(at, message)
    for pointer, part in request.pieces():
        if isinstance(part, ImagePart):
            yield from _image(f"{pointer}/image_url", part)
        elif isinstance(part, FilePart) and part.file.file_data is not None:
            kind = media_type(part.file.file_data)
            if kind != "application/pdf" and not kind.startswith("text/"):
                yield Unsupported(f"{pointer}/file/file_data", "must be application/pdf or text for this provider")


def _sampling(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    version = claude_version(request.model) or (0, 0)
    values = {"temperature": request.temperature, "top_p": request.top_p}
    if not sampled(request.model, endpoint):
        who = (
            "model samples in its own way"
            if version >= CLAUDE_WITHOUT_SAMPLING
            else "provider's anthropic_version has no sampling"
        )
        for name, value in values.items():
            if value not in (None, 1):
                yield Unsupported(f"/{name}", f"this {who}; leave it out, or ask for it in a message")
    elif version >= _ONE_SAMPLING and None not in values.values():
        yield Unsupported("/top_p", "this model takes temperature or top_p, not both; leave one out")


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
    if (claude_version(request.model) or (0, 0)) >= _NO_BUDGET:
        yield Unsupported("/reasoning_budget", "this model decides by itself; give reasoning_effort instead")
    elif budget < MIN_THINKING_TOKENS:
        yield Unsupported("/reasoning_budget", f"must be at least {MIN_THINKING_TOKENS} for this provider")
    elif request.max_tokens is not None and budget >= request.max_tokens:
        yield Unsupported(
            "/reasoning_budget", "must be less than max_tokens, which counts reasoning too for this provider"
        )


def _image(pointer: str, part: ImagePart) -> Iterator[Unsupported]:
    url = part.image_url.url
    if is_data(url) and media_type(url) not in ANTHROPIC_IMAGE_TYPES:
        yield Unsupported(
            f"{pointer}/url", f"must be one of {', '.join(sorted(ANTHROPIC_IMAGE_TYPES))} for this provider"
        )
    if part.image_url.detail not in (None, "auto"):
        yield Unsupported(f"{pointer}/detail", "this provider knows no detail; leave it out")


def _gemini(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    version = gemini_version(request.model)
    if request.parallel_tool_calls is False:
        yield Unsupported("/parallel_tool_calls", "this provider decides by itself; leave it out")
    always = version is not None and (version >= _GEMINI_3 or (version == (2, 5) and "pro" in request.model))
    if request.reasoning_effort == "none" and always:
        yield Unsupported("/reasoning_effort", "this model cannot be kept from thinking; use minimal")
    if isinstance(request.stop, list) and len(request.stop) > GEMINI_MAX_STOPS:
        yield Unsupported("/stop", f"must be at most {GEMINI_MAX_STOPS} for this provider")
    if request.seed is not None and not -(1 << 31) <= request.seed < 1 << 31:
        yield Unsupported("/seed", "must fit into 32 bits for this provider")
    if _forced(request) and not request.tools:
        yield Unsupported("/tool_choice", "needs tools to choose from")
    yield from nothing_said(request, bool)
    called: set[str] = set()
    for at, message in enumerate(request.messages):
        yield from _names(at, message)
        yield from _arguments(at, message)
        if isinstance(message, AssistantMessage):
            called.update(call.id for call in message.tool_calls or ())
        elif isinstance(message, ToolMessage) and message.tool_call_id not in called:
            pointer = f"/messages/{at}/tool_call_id"
            yield Unsupported(pointer, "this provider needs the function's name: no message before it made this call")
    for pointer, part in request.pieces():
        if not isinstance(part, ImagePart):
            continue
        if part.image_url.detail not in (None, "auto"):
            yield Unsupported(f"{pointer}/image_url/detail", "this provider knows no detail; leave it out")
        result = isinstance(request.messages[int(pointer.split("/")[2])], ToolMessage)
        if result and version is not None and version < _GEMINI_3:
            yield Unsupported(
                pointer, "a tool's result can only be text for this model; send the image in a user message"
            )


def _names(at: int, message: Message) -> Iterator[Unsupported]:
    if not isinstance(message, ToolMessage) and message.name is not None:
        yield Unsupported(f"/messages/{at}/name", "this provider knows no names; write it into the content")


def _arguments(at: int, message: Message) -> Iterator[Unsupported]:
    for index, call in enumerate(message.tool_calls or () if isinstance(message, AssistantMessage) else ()):
        if not _is_object(call.function.arguments):
            pointer = f"/messages/{at}/tool_calls/{index}/function/arguments"
            yield Unsupported(pointer, "must be a JSON object for this provider")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        return False


_VALUES: dict[Protocol, Callable[[GenerationRequest, ProviderSettings | None], Iterator[Unsupported]]] = {
    "openai-chat": _chat,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
"""Values that a protocol has no way to say, although it has the field."""
