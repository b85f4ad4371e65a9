"""Fields of a JSON object that goes on to a provider as it is."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, JsonValue

from shared.request.limits import MAX_EXTRA_ENTRIES


def _odd_number(value: Any) -> str | None:
    """Returns a pointer to the first number that a double cannot hold (RFC 8259, 6); None where there is none."""
    if isinstance(value, int | float):
        try:
            return None if math.isfinite(value) else ""
        except OverflowError:
            return ""
    entries: Iterable[tuple[object, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for name, item in entries:
        if not isinstance(item, str) and (place := _odd_number(item)) is not None:
            return "/" + str(name)[:MAX_EXTRA_ENTRIES].replace("~", "~0").replace("/", "~1") + place
    return None


def _usual(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields as they are. Raises ValueError for NaN and infinity, sent as null else, and larger numbers."""
    if (place := _odd_number(fields)) is not None:
        raise ValueError(f"has a number at {place} that is no finite 64-bit floating-point number; send it as text")
    return fields


Fields = Annotated[dict[str, JsonValue], AfterValidator(_usual)]
"""Fields of a JSON object that goes on to a provider as it is."""
