"""What a caller asks for: the body of `POST /v1/generations`, messages and tools in the shape of OpenAI Chat."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

MAX_MESSAGES = 10_000
MAX_TTL = 2_592_000
"""Seconds (30 days) for which a log is kept at most."""
MAX_DEPTH = 64
"""JSON nesting that a request may have; deeper ones are refused before they are parsed into values."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Strict):
    """Text inside a message."""

    type: Literal["text"]
    text: str


class ImageUrl(_Strict):
    """An image by address or as a `data:` URL."""

    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(_Strict):
    """An image inside a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


ContentPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(_Strict):
    """The function an assistant called, its arguments as JSON text."""

    name: str = Field(min_length=1)
    arguments: str


class ToolCall(_Strict):
    """A tool call of an earlier assistant message."""

    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: FunctionCall


class SystemMessage(_Strict):
    """Instructions; `developer` is OpenAI's newer name for the same."""

    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(_Strict):
    """What the user says."""

    role: Literal["user"]
    content: str | Annotated[list[ContentPart], Field(min_length=1)]
    name: str | None = None


class AssistantMessage(_Strict):
    """An earlier answer."""

    role: Literal["assistant"]
    content: str | list[TextPart] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> AssistantMessage:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise ValueError("needs content, refusal or tool_calls")
        return self


class ToolMessage(_Strict):
    """A tool's result."""

    role: Literal["tool"]
    content: str | list[TextPart]
    tool_call_id: str = Field(min_length=1)


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class FunctionTool(_Strict):
    """A function the model may call; `parameters` is a JSON Schema."""

    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class Tool(_Strict):
    """A tool the model may call."""

    type: Literal["function"]
    function: FunctionTool


class NamedFunction(_Strict):
    """The function that must be called."""

    name: str = Field(min_length=1)


class NamedTool(_Strict):
    """Forces one function."""

    type: Literal["function"]
    function: NamedFunction


class GenerationRequest(_Strict):
    """One request to a model. Durations are in seconds, limits in tokens."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
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
            ]
        },
    )

    model: str = Field(
        min_length=1, max_length=512, description="`provider/model`, or an alias from the configuration."
    )
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES, description="The conversation so far.")
    tools: list[Tool] | None = Field(default=None, max_length=1024, description="Functions the model may call.")
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = Field(default=None)
    parallel_tool_calls: bool | None = Field(default=None)
    response_format: dict[str, JsonValue] | None = Field(default=None, description="As in OpenAI Chat.")
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens of output.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop: str | Annotated[list[str], Field(max_length=16)] | None = Field(default=None)
    seed: int | None = Field(default=None)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = Field(default=None)

    fallback: list[Annotated[str, StringConstraints(min_length=1, max_length=512)]] | None = Field(
        default=None,
        max_length=8,
        description="Models to try in turn where the one before fails; `provider/model` or an alias.",
    )
    on_interrupt: Literal["restart", "fail"] = Field(
        default="restart",
        description="When the worker or the provider's connection is lost after the answer has begun: start over, "
        "which viewers are told, or end as failed.",
    )
    idle_timeout: float | None = Field(
        default=None, gt=0, le=600, description="Seconds without a provider event that end the call."
    )
    deadline: float | None = Field(default=None, gt=0, le=86_400, description="Seconds the whole generation may run.")
    ttl: float | None = Field(default=None, ge=1, le=MAX_TTL, description="Seconds the log is kept after the end.")
    metadata: dict[
        Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]
    ] = Field(
        default_factory=dict,
        max_length=16,
        description="Up to 16 strings of your own; given back, never used.",
    )

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named fields that the caller set, as plain values."""
        return self.model_dump(include=set(names), exclude_none=True)
