"""Looks at the values of a body while it is read: what is not as it must be is named, with its place."""

from collections.abc import Iterable
from typing import Any

from api.problems.problem import FieldError, ProblemError, unprocessable
from api.problems.validation_messages import MUST_BE_OBJECT, MUST_BE_YES_OR_NO

MUST_BE_TEXT = "must be text; put it into quotes"
MUST_BE_LIST = "must be a list; put its entries into [ ]"
REQUIRED = "is required; add it"


def wrong(pointer: str, message: str, code: str = "invalid_request") -> ProblemError:
    """Returns the problem of one field."""
    return unprocessable([FieldError(pointer=pointer, message=message)], code)


def within(pointer: str, name: str | int) -> str:
    """Returns the pointer to an entry (RFC 6901)."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def an_object(value: Any, pointer: str) -> dict[str, Any]:
    """Returns an object's fields, without those that are null, which count as absent. Raises ProblemError."""
    if not isinstance(value, dict):
        raise wrong(pointer, MUST_BE_OBJECT)
    return {name: item for name, item in value.items() if item is not None}


def a_list(value: Any, pointer: str) -> list[Any]:
    """Returns a list. Raises ProblemError."""
    if not isinstance(value, list):
        raise wrong(pointer, MUST_BE_LIST)
    return value


def a_text(fields: dict[str, Any], name: str, pointer: str) -> str:
    """Returns a field that must be there, and be text. Raises ProblemError."""
    value = fields.get(name)
    if value is None:
        raise wrong(within(pointer, name), REQUIRED)
    if not isinstance(value, str):
        raise wrong(within(pointer, name), MUST_BE_TEXT)
    return value


def a_type(fields: dict[str, Any], pointer: str) -> str:
    """Returns the `type` of an object. Raises ProblemError."""
    return a_text(fields, "type", pointer)


def yes_or_no(fields: dict[str, Any], name: str, pointer: str) -> bool:
    """Returns a field that is true or false, and false where it is absent. Raises ProblemError."""
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise wrong(within(pointer, name), MUST_BE_YES_OR_NO)
    return value


def only(fields: dict[str, Any], names: Iterable[str], pointer: str) -> None:
    """Raises ProblemError for the first field that is none of these."""
    for name in fields.keys() - set(names):
        raise wrong(within(pointer, name), "is not a known field; leave it out")


def cannot(pointer: str, why: str, code: str = "invalid_request") -> ProblemError:
    """Returns the problem of what no provider that is asked can honour."""
    return wrong(pointer, f"cannot be honoured: it {why}", code)
