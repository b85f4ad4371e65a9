"""Where the client commands find the API, and with which key."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(envvar="MIDSTREAM_URL", help="Address of the API.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="MIDSTREAM_KEY",
        help="API key. Better in the variable: arguments are visible to other users of the machine.",
    ),
]
