"""The arguments of an earlier call as an object, which Messages and Gemini want; Chat and Responses take their text.

A model wrote them, perhaps another one: with half of a surrogate pair, a line break within a string, or `null` for
none. That must not keep a conversation from going on.
"""

import json
import math
from typing import Any, NoReturn

import msgspec


def arguments_of(text: str) -> dict[str, Any] | None:
    """Returns the object that a call's arguments are; None where they are none, or no JSON that can be sent."""
    if not text or text.isspace():
        return {}
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = _mended(text)
    except RecursionError:
        return None
    if value is None and text.strip() == "null":
        return {}
    return value if isinstance(value, dict) else None


def _mended(text: str) -> Any:
    """Reads JSON with control characters in its strings, and halves of surrogate pairs, which U+FFFD stands for."""
    try:
        value = json.loads(text, strict=False, parse_float=_finite, parse_constant=_refuse)
        whole = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return json.loads(whole.decode("utf-16-le", "replace"))
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        _refuse(text)
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError("a number that JSON does not have")
