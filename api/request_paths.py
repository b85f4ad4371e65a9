"""The path of a request, as it may be shown: a link that is shared holds its secret there."""

import re

SHARED = "/s/"
"""Where what is shared by a link is; the secret follows."""

_SECRET = re.compile(r"((?<![\w-])|(?<=%[0-9a-f]{2}))(?:ms_)?[a-z2-7]{32}(?![\w-])", re.IGNORECASE | re.ASCII)
"""What may be the secret of a link, or a stored key, wherever it stands. Ids have a prefix, and are none."""
_TOKEN = re.compile(r"(token(?:=|%3D)).*", re.IGNORECASE | re.DOTALL)
"""A query that became part of the path, as its `?` was encoded or is another character."""


def shown_path(path: str) -> str:
    """Returns a path without the query, and without the secret of a link.

    A link that was typed wrong, or whose prefix a proxy has not taken away, leads nowhere here; its secret is good.
    """
    path = path.partition("?")[0]
    if path.startswith(SHARED):
        _, slash, rest = path.removeprefix(SHARED).partition("/")
        path = f"{SHARED}…{slash}{rest}"
    return _SECRET.sub("…", _TOKEN.sub(r"\1…", path))
