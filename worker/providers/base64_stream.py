"""Base64 in pieces that were each encoded alone, as one Base64 text (RFC 4648)."""

import base64


class Base64Stream:
    """Joins pieces: padding can be anywhere in what comes, and is only at the end of what goes."""

    def __init__(self) -> None:
        self._text = ""
        self._bytes = b""

    def feed(self, piece: str) -> str:
        """Returns what can be said so far. Raises ValueError for what is no Base64."""
        self._text += piece
        whole = len(self._text) // 4 * 4
        quads, self._text = self._text[:whole], self._text[whole:]
        for end in _ends(quads):
            self._bytes += base64.b64decode(end, validate=True)
        ready = len(self._bytes) // 3 * 3
        said, self._bytes = self._bytes[:ready], self._bytes[ready:]
        return base64.b64encode(said).decode()

    def finish(self) -> str:
        """Returns the rest. Raises ValueError where the last piece was cut."""
        if self._text:
            raise ValueError("Base64 that was cut")
        rest, self._bytes = self._bytes, b""
        return base64.b64encode(rest).decode()


def _ends(quads: str) -> list[str]:
    """Returns the text, cut behind each padding: a decoder takes what follows it for an error."""
    parts: list[str] = []
    start = 0
    while (at := quads.find("=", start)) >= 0:
        end = (at // 4 + 1) * 4
        parts.append(quads[start:end])
        start = end
    return [*parts, quads[start:]]
