"""What all log lines of a task say beside their message: the generation, its attempt, its owner, the trace."""

from collections.abc import Mapping
from contextvars import ContextVar

_fields: ContextVar[Mapping[str, str | int]] = ContextVar("log fields", default={})  # noqa: B039  # never changed


def tell(**fields: str | int) -> None:
    """Adds fields to all later lines of this task, and of those that it starts."""
    _fields.set({**_fields.get(), **fields})


def begin(**fields: str | int) -> None:
    """Makes these fields all that the later lines of this task say, whatever the one says that started it."""
    _fields.set(fields)


def told() -> Mapping[str, str | int]:
    """Returns what the present task's lines say."""
    return _fields.get()
