"""The formats that an answer may be asked in."""

from typing import Annotated, Literal

from pydantic import Field

from shared.request.json_fields import Fields
from shared.request.strict_model import Strict


class TextFormat(Strict):
    """The answer is text."""

    type: Literal["text"]


class ObjectFormat(Strict):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class JsonSchema(Strict):
    """A JSON Schema with a name."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    # `schema` is a method of pydantic's.
    schema_: Fields = Field(alias="schema")
    strict: bool | None = None


class SchemaFormat(Strict):
    """The answer is JSON of this schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]
