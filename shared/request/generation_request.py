"""What a caller asks for: the body of `POST /v1/generations`, messages and tools in the shape of OpenAI Chat."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.process.background_thread import LONG_WORK_BYTES
from shared.request.empty_values import or_none
from shared.request.json_fields import Fields
from shared.request.limits import MAX_EXTRA_ENTRIES, MAX_MESSAGES, MAX_TTL_S
from shared.request.message_parts import FilePart, ImagePart, TextPart
from shared.request.messages import Message
from shared.request.response_formats import ResponseFormat
from shared.request.strict_model import Strict
from shared.request.tools import NamedTool, Tool

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


class Unwatched(Strict):
    """What becomes of a generation that nobody watches."""

    after: float = Field(gt=0, le=86_400, description="Seconds without a viewer after which it is cancelled.")


class Caching(Strict):
    """Whether the answer of an identical request of the same owner will do."""

    ttl: float = Field(
        ge=0, le=MAX_TTL_S, description="Seconds for which a completed answer is good; 0 shares only what still runs."
    )
    pace: Literal["full", "original"] = Field(
        default="full", description="Whether the answer comes at once, or as it came from the provider."
    )


LogitBias = dict[Annotated[str, StringConstraints(max_length=32)], Annotated[int | float, Field(ge=-100, le=100)]]
Label = Annotated[str | None, AfterValidator(or_none)]
"""What a request says of itself, and no answer depends on."""


def printable(text: str) -> str:
    """Returns text without characters that cannot be seen. Raises ValueError."""
    if not text.isprintable():
        raise ValueError("must be printable characters")
    return text


def addressable(name: str) -> str:
    """Returns a name that an address can hold, and of characters that can be seen. Raises ValueError."""
    if name in (".", ".."):
        raise ValueError("must not be . or .., as no address can hold these")
    return printable(name)


def _without_default(schema: dict[str, Any]) -> None:
    """Leaves out a default that is no value to send."""
    schema.pop("default", None)


class GenerationRequest(Strict):
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
    tools: Annotated[list[Tool] | None, AfterValidator(or_none)] = Field(
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
    stop: Annotated[str | Annotated[list[str], Field(max_length=16)] | None, AfterValidator(or_none)] = Field(
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
    logit_bias: Annotated[LogitBias | None, AfterValidator(or_none)] = Field(
        default=None, max_length=1024, description="By token id, what is added to its logit."
    )
    verbosity: Literal["low", "medium", "high"] | None = Field(default=None)
    user: Label = Field(default=None, max_length=512, description="Your end user, for the provider's statistics.")
    prompt_cache_key: Label = Field(
        default=None, max_length=512, description="Prompts with the same beginning have the same key."
    )
    safety_identifier: Label = Field(
        default=None, max_length=512, description="Your end user, for what the provider does against abuse."
    )
    service_tier: Label = Field(default=None, max_length=64, description="As the provider names it.")
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
    on_unwatched: Unwatched | None = Field(
        default=None,
        description="Cancel it when nobody has watched it for so long. Defaults to never: leaving is not stopping.",
    )
    background: bool | None = Field(
        default=None,
        description="Whether a provider that can may run it in its own background, so that `continue` goes on there. "
        "Defaults to true; without `continue` it says nothing.",
    )
    stream: bool | None = Field(
        default=None,
        description="True: the answer to the POST is the stream of events, as with `Accept: text/event-stream`. False: "
        "it is the snapshot, once the generation has ended.",
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
    previous: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="A generation of yours that has ended, by its name in any dialect: the conversation that it was "
        "asked, and its answer, come before `messages`.",
    )
    conversation: (
        Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(addressable)] | None
    ) = Field(
        default=None,
        description="The conversation that it belongs to, by a name of your own, which the first to say it begins: "
        "all of it is listed, followed and kept together.",
    )
    metadata: dict[
        Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]
    ] = Field(
        default_factory=dict,
        max_length=16,
        description="Up to 16 strings of your own; given back, never used.",
    )

    @model_validator(mode="after")
    def _counts_tokens_it_has(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        return self

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
