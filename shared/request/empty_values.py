"""What empty lists and texts stand for, which agents send and providers refuse."""

from typing import Any


def or_none(value: Any) -> Any:
    """Returns none for an empty list, which providers refuse and agents send, and for an empty text."""
    return value or None


def or_empty(content: Any) -> Any:
    """Returns an empty text for a list without parts, which providers refuse."""
    return "" if content == [] else content
