"""Where the client commands find the API, and with which key."""

import os
from typing import Annotated
from urllib.parse import urlsplit

import typer

from midstream.program import typed
from shared.config.loopback import is_loopback

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_PORT = 8000

Url = Annotated[str, typer.Option(envvar="MIDSTREAM_URL", help="Address of the API.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="MIDSTREAM_KEY",
        help="API key. Better in the variable: arguments are visible to other users of the machine.",
    ),
]


def url_option(url: str) -> list[str]:
    """Returns the options with which the next command finds this API; none where it needs none."""
    found = os.environ.get("MIDSTREAM_URL") or DEFAULT_URL
    return [] if url == found == DEFAULT_URL else ["--url", url]


def start_hint(url: str) -> str:
    """Returns the beginning of an advice how to start an API at this address; empty for another machine's address."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(name):
        return ""
    host = [] if name in ("127.0.0.1", "localhost") else ["--host", name]
    port = parts.port or 80
    command = typed("up", *host, *([] if port == DEFAULT_PORT else ["--port", str(port)]))
    return f"start it with `{command}`, or "
