"""A parameter of the query that is true or false."""

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from api.problems.problem import FieldError, unprocessable
from api.problems.validation_messages import say

_FLAG = TypeAdapter(bool)


def query_flag(request: Request, name: str) -> bool:
    """Returns what a request says of it; False where it says nothing. Raises ProblemError 422."""
    if not request.scope["query_string"] or (value := request.query_params.get(name)) is None:
        return False
    try:
        return _FLAG.validate_python(value)
    except ValidationError as error:
        raise unprocessable([FieldError(pointer=name, message=say(item)) for item in error.errors()]) from None
