"""Tools that a model may call, which of them it must, and the calls that it made."""

from typing import Literal, Self

from pydantic import Field, model_validator

from shared.request.json_fields import Fields
from shared.request.message_parts import CacheControl, Place
from shared.request.strict_model import Strict


class FunctionTool(Strict):
    """A function the model may call; `parameters` is a JSON Schema."""

    name: str = Field(min_length=1, max_length=128)
    description: str | None = None
    parameters: Fields | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool the model may call."""

    type: Literal["function"]
    function: FunctionTool
    cache_control: CacheControl | None = None


class NamedFunction(Strict):
    """The function that must be called."""

    name: str = Field(min_length=1)


class NamedTool(Strict):
    """Forces one function."""

    type: Literal["function"]
    function: NamedFunction


class FunctionCall(Strict):
    """The function an assistant called, its arguments as JSON text."""

    name: str = Field(min_length=1)
    arguments: str


class ToolCall(Strict):
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
