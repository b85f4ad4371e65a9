"""URLs that hold their content themselves (RFC 2397)."""

import base64
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class Data(NamedTuple):
    """What a `data:` URL holds."""

    media_type: str
    content: bytes

    @property
    def base64(self) -> str:
        """The content in Base64 (RFC 4648)."""
        return base64.b64encode(self.content).decode()


def is_data(url: str) -> bool:
    """Says whether a URL holds its content itself."""
    return url[:5].lower() == "data:"


BASE64_STEP_CHARS = 131_072
"""Characters of Base64 that are decoded at once: a multiple of four."""


def _decoded(payload: bytes) -> bytes:
    """Decodes Base64 (RFC 4648), in steps, so that in a thread a long text lets others run. Raises ValueError."""
    whole = []
    for start in range(0, len(payload), BASE64_STEP_CHARS):
        piece = payload[start : start + BASE64_STEP_CHARS]
        if start + BASE64_STEP_CHARS < len(payload) and piece.endswith(b"="):
            raise ValueError("padding that is not at the end")
        whole.append(base64.b64decode(piece, validate=True))
    return b"".join(whole)


def data_of(url: str) -> Data:
    """Reads a `data:` URL (RFC 2397), which must have a media type. Raises ValueError where it is none."""
    header, comma, payload = url[5:].partition(",")
    media_type, *parameters = header.split(";")
    if not (is_data(url) and comma and media_type):
        raise ValueError("must be data:<media type>;base64,<data>")
    content = unquote_to_bytes(payload)
    if "base64" in parameters:
        try:
            content = _decoded(content)
        except ValueError:
            raise ValueError("holds no valid base64") from None
    return Data(media_type.lower(), content)
