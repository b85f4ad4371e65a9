"""What is answered of models: in the shape of OpenAI's list with more beside it, and in Anthropic's."""

from typing import Literal

from pydantic import BaseModel, Field

CREATED = 0
"""When a model was made (Unix time): nobody says it here, and Anthropic has the epoch for that. It never changes."""
CREATED_AT = "1970-01-01T00:00:00Z"


class ModelAnswer(BaseModel):
    """A model that has a name here. Any other of a known provider is asked for as `provider/model`."""

    id: str = Field(description="What to send as `model`.")
    object: Literal["model"] = "model"
    created: int = Field(default=CREATED, description="Unix time; 0, as it is not known.")
    owned_by: str = Field(description="The provider, as OpenAI's clients look for it.")
    provider: str
    aliases: list[str]
    default: bool


class ProviderAnswer(BaseModel):
    """An endpoint: `name/…` is a model of it."""

    name: str
    protocol: str


class ModelList(BaseModel):
    """Models by name, and the providers."""

    object: Literal["list"] = "list"
    data: list[ModelAnswer]
    providers: list[ProviderAnswer]
    simulated: bool = Field(description="Whether the default model's answers come from the simulator.")


class AnthropicModel(BaseModel):
    """A model as Anthropic's clients read it."""

    type: Literal["model"] = "model"
    id: str = Field(description="What to send as `model`.")
    display_name: str
    created_at: str = Field(default=CREATED_AT, description="The epoch, as it is not known.")
    lifecycle: Literal["active"] = Field(default="active", description="It can be asked for.")


class AnthropicModelList(BaseModel):
    """A page of models as Anthropic's clients read it."""

    data: list[AnthropicModel]
    has_more: bool = Field(description="Whether there are more in the direction that was asked for.")
    first_id: str | None = Field(description="Value of `before_id` for the page before.")
    last_id: str | None = Field(description="Value of `after_id` for the next page.")
