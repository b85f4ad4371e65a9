"""Which of two answers a request wants (RFC 9110, 12.5.1): JSON, or the stream of events; JSON, or the page.

And whether it takes an answer that is packed (12.5.3).
"""

import re
from collections.abc import Iterable

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def wants_stream(lines: Iterable[str]) -> bool:
    """Says whether the `Accept` lines name `text/event-stream`, and nothing of JSON that they like better.

    It must be named: `*/*` is what clients send that know nothing of streams.
    """
    quality = _qualities(lines)
    return 0 < quality.get("text/event-stream", 0) >= quality.get("application/json", 0)


def wants_page(lines: Iterable[str]) -> bool:
    """Says whether the `Accept` lines name `text/html`, and nothing of JSON that they like as much: a browser's do."""
    quality = _qualities(lines)
    return quality.get("text/html", 0) > quality.get("application/json", 0)


def takes_gzip(lines: Iterable[str]) -> bool:
    """Says whether the `Accept-Encoding` lines let an answer be packed by gzip; where they are missing, it is not."""
    quality = _qualities(lines)
    return quality.get("gzip", quality.get("*", 0)) > 0


def _qualities(lines: Iterable[str]) -> dict[str, float]:
    """Returns how much each kind is liked that is named."""
    quality: dict[str, float] = {}
    for line in lines:
        for part in line.split(","):
            kind, *parameters = (word.strip().lower() for word in part.split(";"))
            quality[kind] = max(quality.get(kind, 0.0), _quality(parameters))
    return quality


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q" and _QUALITY.fullmatch(value):
            return float(value)
    return 1.0
