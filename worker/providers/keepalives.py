"""Events that are JSON and say only that somebody is there: gateways send them in every protocol, by many names."""

import re
from typing import Any

from worker.providers.error_shapes import is_notice

_ALIVE = frozenset({"ping", "pong", "keepalive", "heartbeat"})
_SAYS_WHAT = ("type", "event", "object")
_SAYS_WHEN = frozenset({"ts", "time", "timestamp", "created", "created_at", "now"})
_NO_LETTER = re.compile(r"[^a-z]")


def is_keepalive(name: str, value: dict[str, Any]) -> bool:
    """Says whether an event of this name, of which a protocol knows nothing, is a keep-alive.

    One has such a name or type, as Anthropic's `ping` and OpenAI's `keepalive`; one without either says nothing, or
    when it was sent. What tells how a request gets on is one too: its text is not shown to anybody.
    """
    if is_notice(value) or any(_is_alive(word) for word in (name, *(value.get(field) for field in _SAYS_WHAT))):
        return True
    return all(field in _SAYS_WHEN or _is_alive(field) for field in value)


def _is_alive(word: object) -> bool:
    return isinstance(word, str) and _NO_LETTER.sub("", word.lower().removeprefix("response.")) in _ALIVE
