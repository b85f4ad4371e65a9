"""What a protocol can say: a request that asks for more is refused before it is queued, and never silently cut."""

import re
from collections.abc import Callable, Iterator

from shared.config.openai_hosts import is_openai
from shared.config.protocols import PROTOCOLS, Protocol
from shared.config.provider_settings import ProviderSettings
from shared.request import claude_models
from shared.request.blank_texts import has_text, nothing_said
from shared.request.call_arguments import arguments_of
from shared.request.claude_models import is_forced
from shared.request.data_url import is_data
from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import FilePart, ImagePart
from shared.request.messages import AssistantMessage, Message, ToolMessage
from shared.request.openai_models import OpenAIModel, refused, refused_over_chat
from shared.request.reasoning_effort import with_effort
from shared.request.response_formats import ObjectFormat
from shared.request.tool_schemas import flaw
from shared.request.unsupported import Unsupported

ANTHROPIC_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Media types of images that Anthropic takes (API reference: "Vision")."""

GEMINI_MAX_STOPS = 5
"""Stop sequences that Gemini takes (API reference: `GenerationConfig`)."""

_AS_GOOD_AS_NONE: dict[str, object] = {"logprobs": False, "top_logprobs": 0, "verbosity": "medium"}
"""Values that ask for nothing: what an answer has anyway."""

_GEMINI = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_GEMINI_3 = (3, 0)
"""From here on Gemini always thinks, and takes images in a tool's result (API reference: "Gemini 3")."""


def lacks(
    request: GenerationRequest, protocol: Protocol, endpoint: ProviderSettings | None = None
) -> list[Unsupported]:
    """Returns what of a request a provider of this protocol, or this very endpoint, has no way to honour."""
    remedy = f"cannot be honoured by a provider of protocol {protocol}; leave it out"
    missing = [
        Unsupported(f"/{name}", remedy)
        for name in PROTOCOLS[protocol].no_fields
        if getattr(request, name) not in (None, _AS_GOOD_AS_NONE.get(name))
    ]
    missing += _schemas(request)
    asked = with_effort(request, protocol, request.model, endpoint)
    missing += _VALUES[protocol](asked, endpoint)
    return missing if asked is request else [_as_asked(one) for one in missing]


def _as_asked(missing: Unsupported) -> Unsupported:
    """Returns what is missing of an effort as of the budget that it came from."""
    return Unsupported("/reasoning_budget", missing.remedy) if missing.pointer == "/reasoning_effort" else missing


def openai_model(request: GenerationRequest, endpoint: ProviderSettings | None) -> OpenAIModel:
    """Returns which of OpenAI's models a request is for; none of them behind a gateway that names their vendor.

    OpenRouter and LiteLLM leave out what a model refuses, or say so themselves.
    """
    gateway = endpoint is not None and endpoint.reasoning in ("openrouter", "litellm")
    return OpenAIModel("" if gateway else request.model.partition("/")[2])


def gemini_version(model: str) -> tuple[int, int] | None:
    """Returns the version in a name like `gemini-2.5-pro`; None where there is none, as in `gemini-flash-latest`."""
    match = _GEMINI.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


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


def _nothing_to_choose(request: GenerationRequest) -> Iterator[Unsupported]:
    if is_forced(request) and not has_tools(request):
        yield Unsupported("/tool_choice", "needs tools to choose from")


def _chat(request: GenerationRequest, endpoint: ProviderSettings | None) -> Iterator[Unsupported]:
    model = openai_model(request, endpoint)
    yield from refused(request, model)
    yield from refused_over_chat(request, model, endpoint)
    yield from _nothing_to_choose(request)
    if request.top_k is not None and (endpoint is None or is_openai(endpoint.address)):
        yield Unsupported("/top_k", "this provider has none; leave it out, or use top_p")
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
    if is_forced(request) and not request.tools:
        yield Unsupported("/tool_choice", "needs tools to choose from")
    yield from claude_models.refused(request, endpoint)
    yield from nothing_said(request, has_text)
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
    if is_forced(request) and not request.tools:
        yield Unsupported("/tool_choice", "needs tools to choose from")
    yield from nothing_said(request, bool)
    called: set[str] = set()
    for at, message in enumerate(request.messages):
        yield from _names(at, message)
        yield from _arguments(at, message)
        if isinstance(message, AssistantMessage):
            called.update(call.id for call in message.tool_calls or ())
        elif isinstance(message, ToolMessage) and message.tool_call_id not in called and request.previous is None:
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
        if arguments_of(call.function.arguments) is None:
            pointer = f"/messages/{at}/tool_calls/{index}/function/arguments"
            yield Unsupported(pointer, "must be a JSON object for this provider")


_VALUES: dict[Protocol, Callable[[GenerationRequest, ProviderSettings | None], Iterator[Unsupported]]] = {
    "openai-chat": _chat,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
"""Values that a protocol has no way to say, although it has the field."""
