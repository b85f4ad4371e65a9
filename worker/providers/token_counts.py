"""Token counts of a provider: either all of them are possible, or there are none."""

from typing import TypeVar

from msgspec import Struct, ValidationError, convert
from msgspec.structs import astuple

from shared.log.events import MAX_TOKENS

_MAX_TOOLS, _MAX_NAME_CHARS = 32, 64
"""How many tools are told, and how long their names may be: an end is written whatever its size."""

T = TypeVar("T", bound=Struct)


def read_counts(given: object, kind: type[T]) -> T | None:
    """Returns what was counted; None where that is no object of counts, or one of them cannot be of one call's tokens.

    The answer is whole all the same: who asked has paid for it. Each count is looked at before any are added, as a sum
    hides a negative one.
    """
    try:
        counts = convert(given, kind, strict=False)
    except ValidationError:
        return None
    return counts if _possible(counts) else None


def read_calls(given: object) -> dict[str, int]:
    """Returns how often the provider's own tools were called, by its names; what is no count, or zero, is left out."""
    if not isinstance(given, dict):
        return {}
    counts = {
        name: count
        for name, count in given.items()
        if isinstance(count, int)
        and not isinstance(count, bool)
        and 0 < count <= MAX_TOKENS
        and len(name) <= _MAX_NAME_CHARS
    }
    return dict(list(counts.items())[:_MAX_TOOLS])


def _possible(counts: Struct) -> bool:
    values = [value for value in astuple(counts) if value is not None]
    return all(_possible(value) if isinstance(value, Struct) else 0 <= value <= MAX_TOKENS for value in values)
