"""The id of a request: on its answer, whatever that is, and in the log lines that say that it failed.

OpenAI's clients show `x-request-id` in their errors, Anthropic's `request-id`.
"""

import re
import secrets
from collections.abc import Iterable, MutableMapping
from typing import Any

HEADER = b"x-request-id"
MESSAGES_HEADER = b"request-id"
"""The header that Anthropic's clients read, beside the other on the paths of Messages."""
SCOPE_KEY = "midstream.request_id"
"""Where an ASGI scope keeps it."""

_GIVEN = re.compile(rb"[!-~]([ -~]{0,126}[!-~])?")
_MESSAGES_PATH = re.compile(r"/v1/messages(/.*)?", re.DOTALL)


def new_request_id() -> str:
    """Returns an id that nobody has."""
    return f"req_{secrets.token_hex(16)}"


def request_id(scope: MutableMapping[str, Any]) -> str:
    """Returns the id of a scope's request: the caller's `X-Request-Id`, else a new one; always the same for a scope."""
    known: str | None = scope.get(SCOPE_KEY)
    if known is None:
        known = scope[SCOPE_KEY] = _given(scope.get("headers", ())) or new_request_id()
    return known


def _given(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    value = next((value for name, value in headers if name == HEADER), b"")
    return value.decode("ascii") if _GIVEN.fullmatch(value) else None


def answer_headers(path: str, id: str) -> list[tuple[bytes, bytes]]:
    """Returns the headers that say it in an answer at this path."""
    value = id.encode("ascii")
    headers = [(HEADER, value)]
    if _MESSAGES_PATH.fullmatch(path):
        headers.append((MESSAGES_HEADER, value))
    return headers
