"""The messages of a conversation, in the shape of OpenAI Chat."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.request.empty_values import or_empty, or_none
from shared.request.limits import MAX_PARTS
from shared.request.message_parts import CacheControl, ContentPart, Parts, Reasoning, ResultPart, SaidText, TextPart
from shared.request.strict_model import Strict
from shared.request.tools import ToolCall


class SystemMessage(Strict):
    """Instructions; `developer` is OpenAI's newer name for the same."""

    role: Literal["system", "developer"]
    content: Annotated[str | Annotated[list[TextPart], Parts], AfterValidator(or_empty)]
    name: str | None = None


class UserMessage(Strict):
    """What the user says."""

    role: Literal["user"]
    content: str | Annotated[list[ContentPart], Field(min_length=1, max_length=MAX_PARTS)]
    name: str | None = None


class AssistantMessage(Strict):
    """An earlier answer."""

    role: Literal["assistant"]
    content: Annotated[str | Annotated[list[SaidText], Parts] | None, AfterValidator(or_empty)] = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: Annotated[Annotated[list[ToolCall], Parts] | None, AfterValidator(or_none)] = None
    reasoning: Annotated[Annotated[list[Reasoning], Parts] | None, AfterValidator(or_none)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise ValueError("needs content, refusal or tool_calls")
        return self


class ToolMessage(Strict):
    """A tool's result."""

    role: Literal["tool"]
    content: Annotated[str | Annotated[list[ResultPart], Parts], AfterValidator(or_empty)]
    tool_call_id: str = Field(min_length=1)
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]
