"""What routes that let browsers in take and answer, as OpenAPI describes it."""

from typing import Any

from pydantic import BaseModel, Field


class SessionAnswer(BaseModel):
    """A session that has begun; its cookie is in `Set-Cookie`."""

    owner: str
    scopes: list[str] = Field(description="What it may: what its key may.")
    expires: str = Field(description="When it ends by itself: ISO 8601, UTC, with milliseconds.")


class TokenAnswer(BaseModel):
    """A token for the events of one generation."""

    token: str = Field(description="For `?token=`; treat it as opaque, and as a secret.")
    expires: str = Field(description="ISO 8601, UTC, with milliseconds.")


class ShareAnswer(BaseModel):
    """A link to one generation."""

    id: str = Field(description="Names it, to revoke it; it does not give the link away.")
    url: str = Field(description="The link. Whoever has it may read.")
    expires: str = Field(description="ISO 8601, UTC, with milliseconds.")


def ttl_body(default: str, most: float) -> dict[str, Any]:
    """Returns the description of a body that may hold `ttl`."""
    ttl = {"type": "number", "minimum": 1, "maximum": most, "description": f"Seconds that it lasts. {default}"}
    schema = {"type": "object", "properties": {"ttl": ttl}, "additionalProperties": False}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}
