"""Text that others wrote, made safe for a log or a terminal: one line, in which nothing is obeyed or hidden.

A model's name or an error of a library may hold a newline, and forge a line; an escape sequence (ECMA-48), and be
obeyed; or U+202E, which turns the rest of its line round (Unicode, UAX 9).
"""

import re

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal obeys: DEL, C1 controls, line ends and marks of direction of Unicode."""


def escaped(text: str) -> str:
    """Returns the text with an escape, as `\\\\n`, for each character that is not printable."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def json_escaped(text: bytes) -> bytes:
    """Returns JSON (RFC 8259) of the same value, with an escape for each character that a terminal would obey."""
    if text.isascii() and b"\x7f" not in text:
        return text
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text.decode("utf-8", "replace")).encode()
