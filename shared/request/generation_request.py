"""What a caller asks for: the body of `POST /v1/generations`, messages and tools in the shape of OpenAI Chat."""

import base64
import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from shared.process.background_thread import LONG_WORK_BYTES

MAX_MESSAGES = 10_000
MAX_PARTS = 10_000
"""Content parts, tool calls and pieces of reasoning that the messages of one request have in all."""
MAX_EXTRA_ENTRIES = 256
"""Entries of `extra`, and characters of an entry's name."""
MAX_TTL_S = 2_592_000
"""Seconds (30 days) for which a log is kept at most."""
MAX_DEPTH = 64
"""JSON nesting that a request may have; deeper ones are refused before they are parsed into values."""


RESERVED_FIELDS = frozenset({"model", "stream", "messages", "input", "contents"})
"""Fields of a provider's request that `extra` cannot set: they say what is asked, and how it is answered."""


def _sizes(value: Any) -> Iterator[int]:
    """Yields the sizes of what a value holds, one after the other, in about the bytes of their JSON."""
    yield 16
    if isinstance(value, str):
        yield len(value)
    elif isinstance(value, BaseModel):
        for field in value.__dict__.values():
            yield from _sizes(field)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield len(name)
            yield from _sizes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sizes(item)


def _odd_number(value: Any) -> str | None:
    """Returns a pointer to the first number that a double cannot hold (RFC 8259, 6); None where there is none."""
    if isinstance(value, int | float):
        try:
            return None if math.isfinite(value) else ""
        except OverflowError:
            return ""
    entries: Iterable[tuple[object, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for name, item in entries:
        if not isinstance(item, str) and (place := _odd_number(item)) is not None:
            return "/" + str(name)[:MAX_EXTRA_ENTRIES].replace("~", "~0").replace("/", "~1") + place
    return None


def _usual(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields as they are. Raises ValueError for NaN and infinity, sent as null else, and larger numbers."""
    if (place := _odd_number(fields)) is not None:
        raise ValueError(f"has a number at {place} that is no finite 64-bit floating-point number; send it as text")
    return fields


Fields = Annotated[dict[str, JsonValue], AfterValidator(_usual)]
"""Fields of a JSON object that goes on to a provider as it is."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class Data(NamedTuple):
    """What a `data:` URL holds."""

    media_type: str
    content: bytes

    @property
    def base64(self) -> str:
        """The content in Base64 (RFC 4648)."""
        return base64.b64encode(self.content).decode()


def is_data(url: str) -> bool:
    """Says whether a URL holds its content itself."""
    return url[:5].lower() == "data:"


BASE64_STEP_CHARS = 131_072
"""Characters of Base64 that are decoded at once: a multiple of four."""


def _decoded(payload: bytes) -> bytes:
    """Decodes Base64 (RFC 4648), in steps, so that in a thread a long text lets others run. Raises ValueError."""
    whole = []
    for start in range(0, len(payload), BASE64_STEP_CHARS):
        piece = payload[start : start + BASE64_STEP_CHARS]
        if start + BASE64_STEP_CHARS < len(payload) and piece.endswith(b"="):
            raise ValueError("padding that is not at the end")
        whole.append(base64.b64decode(piece, validate=True))
    return b"".join(whole)


def data_of(url: str) -> Data:
    """Reads a `data:` URL (RFC 2397), which must have a media type. Raises ValueError where it is none."""
    header, comma, payload = url[5:].partition(",")
    media_type, *parameters = header.split(";")
    if not (is_data(url) and comma and media_type):
        raise ValueError("must be data:<media type>;base64,<data>")
    content = unquote_to_bytes(payload)
    if "base64" in parameters:
        try:
            content = _decoded(content)
        except ValueError:
            raise ValueError("holds no valid base64") from None
    return Data(media_type.lower(), content)


def _readable(url: str) -> str:
    if is_data(url):
        data_of(url)
    elif not _is_address(url):
        raise ValueError("must begin with http://, https:// or data:; a provider would read its own files otherwise")
    return url


def _is_address(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _holds_data(url: str) -> str:
    data_of(url)
    return url


def _an_address(url: str) -> str:
    if not _is_address(url):
        raise ValueError("must begin with http:// or https://; what is sent along goes into file_data")
    return url


Parts = Field(max_length=MAX_PARTS)


def _without_default(schema: dict[str, Any]) -> None:
    """Leaves out a default that is no value to send."""
    schema.pop("default", None)


def _or_none(value: Any) -> Any:
    """Returns none for an empty list, which providers refuse and agents send, and for an empty text."""
    return value or None


def _or_empty(content: Any) -> Any:
    """Returns an empty text for a list without parts, which providers refuse."""
    return "" if content == [] else content


class CacheControl(_Strict):
    """Marks the end of what Anthropic keeps of the prompt (provider documentation: "Prompt caching")."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class TextPart(_Strict):
    """Text inside a message."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


Place = Annotated[int, Field(ge=0)]
"""Where in an answer something was said: the index of its part."""


class SaidText(TextPart):
    """Text inside an earlier answer; `part` is its place there."""

    part: Place | None = None


class ImageUrl(_Strict):
    """An image by address or as a `data:` URL."""

    url: Annotated[str, AfterValidator(_readable)] = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(_Strict):
    """An image inside a message."""

    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: CacheControl | None = None


class File(_Strict):
    """A file as a `data:` URL or by address."""

    file_data: Annotated[str, AfterValidator(_holds_data)] | None = None
    file_url: Annotated[str, AfterValidator(_an_address)] | None = None
    filename: str | None = Field(default=None, min_length=1, max_length=255)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.file_data is None) == (self.file_url is None):
            raise ValueError("needs file_data or file_url, and not both")
        return self


class FilePart(_Strict):
    """A file inside a message."""

    type: Literal["file"]
    file: File
    cache_control: CacheControl | None = None


ContentPart = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]
ResultPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(_Strict):
    """The function an assistant called, its arguments as JSON text."""

    name: str = Field(min_length=1)
    arguments: str


class ToolCall(_Strict):
    """A tool call of an earlier assistant message.

    `signature` is what the event of its end had, and goes back only to `provider`, whose it is. `extra_content` is what
    compatible endpoints of Gemini have it in, as OpenAI's SDK dumps it. `part` is its place in the answer.
    """

    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: FunctionCall
    signature: str | None = None
    provider: str | None = None
    extra_content: Fields | None = None
    part: Place | None = None
    cache_control: CacheControl | None = None

    @model_validator(mode="after")
    def _is_whose(self) -> Self:
        if self.signature and not self.provider:
            raise ValueError("needs provider, as part_end named it: a signature is worth something there only")
        return self


class Reasoning(_Strict):
    """How an assistant came to an earlier answer, as the events of that answer had it.

    Opaque fields go back only to `provider`, whose they are; without one it is plain text, which only the endpoints
    get that ask for it. `part` is its place in the answer; without text it is the signature of the text there.
    """

    text: str = ""
    summary: bool | None = None
    signature: str | None = None
    encrypted: str | None = None
    item_id: str | None = None
    provider: str | None = None
    part: Place | None = None

    @model_validator(mode="after")
    def _is_whose(self) -> Self:
        if (self.signature or self.encrypted) and not self.provider:
            raise ValueError("needs provider, as part_end named it: a signature is worth something there only")
        if not (self.text or self.signature or self.encrypted):
            raise ValueError("needs text, signature or encrypted")
        return self


class SystemMessage(_Strict):
    """Instructions; `developer` is OpenAI's newer name for the same."""

    role: Literal["system", "developer"]
    content: Annotated[str | Annotated[list[TextPart], Parts], AfterValidator(_or_empty)]
    name: str | None = None


class UserMessage(_Strict):
    """What the user says."""

    role: Literal["user"]
    content: str | Annotated[list[ContentPart], Field(min_length=1, max_length=MAX_PARTS)]
    name: str | None = None


class AssistantMessage(_Strict):
    """An earlier answer."""

    role: Literal["assistant"]
    content: Annotated[str | Annotated[list[SaidText], Parts] | None, AfterValidator(_or_empty)] = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: Annotated[Annotated[list[ToolCall], Parts] | None, AfterValidator(_or_none)] = None
    reasoning: Annotated[Annotated[list[Reasoning], Parts] | None, AfterValidator(_or_none)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise ValueError("needs content, refusal or tool_calls")
        return self


class ToolMessage(_Strict):
    """A tool's result."""

    role: Literal["tool"]
    content: Annotated[str | Annotated[list[ResultPart], Parts], AfterValidator(_or_empty)]
    tool_call_id: str = Field(min_length=1)
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class FunctionTool(_Strict):
    """A function the model may call; `parameters` is a JSON Schema."""

    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    parameters: Fields | None = None
    strict: bool | None = None


class Tool(_Strict):
    """A tool the model may call."""

    type: Literal["function"]
    function: FunctionTool
    cache_control: CacheControl | None = None


class NamedFunction(_Strict):
    """The function that must be called."""

    name: str = Field(min_length=1)


class NamedTool(_Strict):
    """Forces one function."""

    type: Literal["function"]
    function: NamedFunction


class TextFormat(_Strict):
    """The answer is text."""

    type: Literal["text"]


class ObjectFormat(_Strict):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class JsonSchema(_Strict):
    """A JSON Schema with a name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    # `schema` is a method of pydantic's.
    schema_: Fields = Field(alias="schema")
    strict: bool | None = None


class SchemaFormat(_Strict):
    """The answer is JSON of this schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]


class Caching(_Strict):
    """Whether the answer of an identical request of the same owner will do."""

    ttl: float = Field(
        ge=0, le=MAX_TTL_S, description="Seconds for which a completed answer is good; 0 shares only what still runs."
    )
    pace: Literal["full", "original"] = Field(
        default="full", description="Whether the answer comes at once, or as it came from the provider."
    )


class GenerationRequest(_Strict):
    """One request to a model. Durations are in seconds, limits in tokens."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        serialize_by_alias=True,
        json_schema_extra={
            "examples": [
                {
                    "model": "openai/gpt-5-mini",
                    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
                },
                {
                    "model": "simulator/lorem?deltas=200",
                    "messages": [{"role": "user", "content": "Go."}],
                    "ttl": 3600,
                },
                {
                    "model": "openai/gpt-5-mini",
                    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
                    "cache": {"ttl": 600, "pace": "original"},
                },
            ]
        },
    )

    model: str = Field(
        default="",
        min_length=1,
        max_length=512,
        description="`provider/model`, or an alias from the configuration. Defaults to the server's default model.",
        json_schema_extra=_without_default,
    )
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES, description="The conversation so far.")
    tools: Annotated[list[Tool] | None, AfterValidator(_or_none)] = Field(
        default=None, max_length=1024, description="Functions the model may call."
    )
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = Field(default=None)
    parallel_tool_calls: bool | None = Field(default=None)
    response_format: ResponseFormat | None = Field(
        default=None, description="Text, a JSON object, or JSON of a schema."
    )
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens of output.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1, description="Most tokens that one is chosen from.")
    stop: Annotated[str | Annotated[list[str], Field(max_length=16)] | None, AfterValidator(_or_none)] = Field(
        default=None
    )
    seed: int | None = Field(default=None)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = Field(default=None)
    reasoning_budget: int | None = Field(
        default=None, ge=1, description="Most tokens of reasoning, where the model takes a number; else an effort."
    )
    logprobs: bool | None = Field(default=None, description="Whether deltas of text have their tokens' logprobs.")
    top_logprobs: int | None = Field(default=None, ge=0, le=20, description="Likeliest tokens beside each.")
    logit_bias: dict[Annotated[str, StringConstraints(max_length=32)], float] | None = Field(
        default=None, max_length=1024, description="By token id, what is added to its logit."
    )
    verbosity: Literal["low", "medium", "high"] | None = Field(default=None)
    user: str | None = Field(default=None, max_length=512, description="Your end user, for the provider's statistics.")
    prompt_cache_key: str | None = Field(default=None, max_length=512)
    safety_identifier: str | None = Field(default=None, max_length=512)
    service_tier: str | None = Field(default=None, max_length=64, description="As the provider names it.")
    extra: dict[Annotated[str, StringConstraints(max_length=MAX_EXTRA_ENTRIES)], Fields] = Field(
        default_factory=dict,
        max_length=MAX_EXTRA_ENTRIES,
        description="By provider's name, fields that only this provider knows: they are added to its request last. A "
        "list is appended to ours, anything else replaces it.",
    )

    fallback: list[Annotated[str, StringConstraints(min_length=1, max_length=512)]] | None = Field(
        default=None,
        max_length=8,
        description="Models to try in turn where the one before fails; `provider/model` or an alias.",
    )
    on_interrupt: Literal["restart", "continue", "fail"] = Field(
        default="restart",
        description="When the worker or the provider's connection is lost after the answer has begun: start over, "
        "which viewers are told; go on where it broke off, if the provider can, else start over; or end as failed. "
        "With `fail` a lost worker ends it even before the answer has begun.",
    )
    idle_timeout: float | None = Field(
        default=None, gt=0, le=600, description="Seconds in which the provider sends nothing at all that end the call."
    )
    deadline: float | None = Field(default=None, gt=0, le=86_400, description="Seconds the whole generation may run.")
    ttl: float | None = Field(default=None, ge=1, le=MAX_TTL_S, description="Seconds the log is kept after the end.")
    cache: Caching | None = Field(
        default=None,
        description="Take the answer of an identical request, finished or still running, instead of asking the "
        "provider again; let others take this one.",
    )
    metadata: dict[
        Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]
    ] = Field(
        default_factory=dict,
        max_length=16,
        description="Up to 16 strings of your own; given back, never used.",
    )

    @model_validator(mode="after")
    def _reasons_one_way(self) -> Self:
        if self.reasoning_effort is not None and self.reasoning_budget is not None:
            raise ValueError("reasoning_effort and reasoning_budget exclude each other; give one")
        return self

    def given(self, *names: str) -> dict[str, Any]:
        """Returns those of the named fields that the caller set, as plain values."""
        return self.model_dump(include=set(names), exclude_none=True)

    def with_extra(self, provider: str, body: dict[str, Any]) -> dict[str, Any]:
        """Returns the body that this provider is sent, with what `extra` holds for it."""
        for name, value in self.extra.get(provider, {}).items():
            ours = body.get(name)
            body[name] = [*ours, *value] if isinstance(ours, list) and isinstance(value, list) else value
        return body

    def size(self) -> int:
        """Returns about the bytes of its JSON, or of JSON that takes as long; it stops counting at LONG_WORK_BYTES."""
        size = 0
        for more in _sizes([self.messages, self.tools, self.response_format, self.extra]):
            size += more
            if size >= LONG_WORK_BYTES:
                break
        return size

    def pieces(self) -> Iterator[tuple[str, TextPart | ImagePart | FilePart]]:
        """Yields every content part of the messages, with where it is (JSON Pointer, RFC 6901)."""
        for at, message in enumerate(self.messages):
            if isinstance(message.content, list):
                for index, part in enumerate(message.content):
                    yield f"/messages/{at}/content/{index}", part
