"""How long a provider asks its callers to wait."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime

from worker.providers.error_layers import ErrorLayer

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_FIELDS = ("retry_after", "retry_after_seconds")
_MAX_CHARS = 2_000
_NUMBER = r"(\d{1,6}(?:\.\d{1,9})?)"
_IN_WORDS = re.compile(
    r"(?:try again|retry) (?:in|after) (?=\d)"
    rf"(?:{_NUMBER}\s?h(?:ours?|rs?)?\b\s?|{_NUMBER}h(?=\d))?"
    rf"(?:{_NUMBER}\s?m(?:in(?:ute)?s?)?\b\s?|{_NUMBER}m(?=\d))?"
    rf"(?:{_NUMBER}\s?(ms|milliseconds?|s(?:ec(?:ond)?s?)?)\b)?",
    re.IGNORECASE,
)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that the provider asks callers to wait; None where it asks for none.

    They are in `retry-after-ms` (OpenAI), else in `retry-after`, in seconds or as a date (RFC 9110, 10.2.3).
    """
    for header, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(header, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - time.time())


def retry_after_in(layers: Iterable[ErrorLayer]) -> float | None:
    """Returns the seconds that the error itself asks callers to wait, where no header does.

    They are in Google's google.rpc.RetryInfo, in a field, or in words: "Please try again in 1.2s" (OpenAI, Groq),
    "Please retry after 6 seconds" (Azure).
    """
    for layer in layers:
        for detail in layer.details():
            if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
                return float(match[1])
        for name in _FIELDS:
            seconds = layer.fields.get(name)
            if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e9:
                return float(seconds)
        if (seconds := _in_words(layer.text[:_MAX_CHARS])) is not None:
            return seconds
    return None


def _in_words(text: str) -> float | None:
    match = _IN_WORDS.search(text)
    if match is None or not any(match.groups()):
        return None
    hours, joined_hours, minutes, joined_minutes, seconds, unit = match.groups()
    fraction = 0.001 if unit is not None and unit.lower().startswith("m") else 1.0
    return (
        3600 * float(hours or joined_hours or 0)
        + 60 * float(minutes or joined_minutes or 0)
        + fraction * float(seconds or 0)
    )
