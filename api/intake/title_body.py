"""The body of a request that gives a conversation another title."""

from fastapi import Request

from api.intake.small_body import read_fields
from api.problems.problem import FieldError, unprocessable
from shared.config.settings import Settings
from shared.request.limits import MAX_TITLE_CHARS


async def read_title(request: Request, settings: Settings) -> str:
    """Returns the title in a body. Raises ProblemError 400, 413 or 422."""
    fields = await read_fields(request, settings, {"title"}, '{"title": "Rome"}')
    title = (fields or {}).get("title")
    if not isinstance(title, str) or not 0 < len(title) <= MAX_TITLE_CHARS or not title.isprintable():
        message = f"must be text of 1 to {MAX_TITLE_CHARS} printable characters"
        raise unprocessable([FieldError(pointer="/title", message=message)])
    return title
