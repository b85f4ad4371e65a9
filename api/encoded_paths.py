"""Paths that hold a caller's own word: they are matched as they came, so that a slash in the word is no separator.

An ASGI server gives a path with its percent-encodings undone (ASGI, HTTP connection scope: `path`, `raw_path`). There
`/v1/conversations/a%2Fevents` and `/v1/conversations/a/events` are the same.
"""

from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


class EncodedRoute(APIRoute):
    """A route that takes what is in a path as it came; it decodes that by itself (`decoded`)."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Says whether this route is asked for."""
        path = path_as_it_came(scope)
        return super().matches(scope if path is scope["path"] else {**scope, "path": path})


def path_as_it_came(scope: Scope) -> str:
    """Returns the path of a request with its percent-encodings."""
    raw: bytes = scope.get("raw_path") or b""
    path: str = raw.decode("latin-1") if b"%" in raw else scope["path"]
    return path


def decoded(segment: str) -> str:
    """Returns the word in a segment of such a path; empty where that is no UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return ""
