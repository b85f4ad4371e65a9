"""The body of a request for something that lasts for a while: nothing, or an object with `ttl`."""

from fastapi import Request

from api.intake.small_body import read_fields
from api.problems.problem import FieldError, unprocessable
from shared.config.settings import Settings


async def read_ttl(request: Request, settings: Settings, most: float) -> float | None:
    """Returns the seconds that a body asks for, None where it does not say. Raises ProblemError 400, 413 or 422."""
    fields = await read_fields(request, settings, {"ttl"}, '{"ttl": 3600}, or no body')
    ttl = None if fields is None else fields.get("ttl")
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 1 <= ttl <= most:
        message = f"must be a number of seconds from 1 to {most:,.0f}"
        raise unprocessable([FieldError(pointer="/ttl", message=message)])
    return float(ttl)
