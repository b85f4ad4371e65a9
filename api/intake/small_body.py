"""A small body: nothing, or an object with the fields that a route knows."""

from collections.abc import Collection
from typing import Any

from fastapi import Request
from pydantic_core import from_json

from api.intake.body_errors import bounded, escaped
from api.intake.request_body import check_size, read_body
from api.problems.problem import FieldError, ProblemError, unprocessable
from shared.config.settings import Settings

MAX_BYTES = 10_000
"""Bytes of such a body at most."""


async def read_fields(
    request: Request, settings: Settings, known: Collection[str], example: str
) -> dict[str, Any] | None:
    """Returns the fields of a body, None where there is no body. Raises ProblemError 400, 413 or 422."""
    body = await read_body(request, MAX_BYTES)
    if not body:
        return None
    check_size(body, settings.max_values)
    try:
        fields: Any = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise ProblemError(
            400, "invalid_json", "The body is not JSON", f"Send a JSON object, such as {example}."
        ) from None
    if not isinstance(fields, dict):
        raise unprocessable([FieldError(pointer="", message="must be an object; put its fields into { }")])
    if unknown := [f"/{escaped(name)}" for name in fields if name not in known]:
        message = "is not a known field; leave it out"
        raise unprocessable(bounded([FieldError(pointer=pointer, message=message) for pointer in unknown]))
    return fields
