"""What all models of a request have in common."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A value that never changes, made of an object without unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
