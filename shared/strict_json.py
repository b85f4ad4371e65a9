"""JSON that a model wrote: its value, or what is wrong with it."""

from typing import Any, NamedTuple

import msgspec

from shared.request.limits import MAX_DEPTH


class JsonReading(NamedTuple):
    """A value, or why the text has none: `error` is None where `value` counts, and quotes nothing of the text."""

    value: Any
    error: str | None


def read(text: str) -> JsonReading:
    """Returns the one JSON value that a text holds (RFC 8259): no NaN, no half of a surrogate pair, no rest behind it.

    Of two members with the same name the last counts. Nesting is bounded, so that whoever writes the value can.
    """
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return JsonReading(None, f"is not JSON: {_reason(error, text)}")
    except RecursionError:
        return JsonReading(None, _TOO_DEEP)
    if text.count("[") + text.count("{") > MAX_DEPTH and nests_deeper(value, MAX_DEPTH):
        return JsonReading(None, _TOO_DEEP)
    return JsonReading(value, None)


def nests_deeper(value: Any, limit: int) -> bool:
    """Says whether lists and objects nest more than `limit` levels deep."""
    layer = [value]
    for _ in range(limit + 1):
        layer = [item for item in layer if isinstance(item, dict | list)]
        if not layer:
            return False
        layer = [item for one in layer for item in (one.values() if isinstance(one, dict) else one)]
    return True


def cut(value: Any, limit: int) -> Any:
    """Returns the value with None for each list and object in more than `limit` others, as `nests_deeper` counts."""
    if not isinstance(value, dict | list):
        return value
    if limit == 0:
        return None
    if isinstance(value, dict):
        return {name: cut(item, limit - 1) for name, item in value.items()}
    return [cut(item, limit - 1) for item in value]


_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"


def _reason(error: msgspec.DecodeError, text: str) -> str:
    fault = str(error).removeprefix("JSON is malformed: ")
    if "truncated" in fault:
        return "ends too early" if "\\ud" not in text.lower() else "ends too early, or holds half of a surrogate pair"
    return fault[:1].lower() + fault[1:]
