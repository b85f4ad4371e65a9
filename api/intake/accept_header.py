"""Which of the two answers a POST wants (RFC 9110, 12.5.1): a record as JSON, or the stream of events."""

import re
from collections.abc import Iterable

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def wants_stream(lines: Iterable[str]) -> bool:
    """Says whether the `Accept` lines name `text/event-stream`, and nothing of JSON that they like better.

    It must be named: `*/*` is what clients send that know nothing of streams.
    """
    quality = {"text/event-stream": 0.0, "application/json": 0.0}
    for line in lines:
        for part in line.split(","):
            kind, *parameters = (word.strip().lower() for word in part.split(";"))
            if kind in quality:
                quality[kind] = max(quality[kind], _quality(parameters))
    return 0 < quality["text/event-stream"] >= quality["application/json"]


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q" and _QUALITY.fullmatch(value):
            return float(value)
    return 1.0
