"""What may be written to a terminal, and how."""

import os
from typing import TextIO

# A model's text is input from outside: escape sequences in it could retitle, clear or forge the screen.
# Control characters are shown as their pictures instead. A carriage return is dropped, as CRLF is a line end.
_PICTURES: dict[int, str | None] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    0x7F: "\u2421",
    # Marks that turn the rest of a line round (UAX 9).
    **dict.fromkeys([*range(0x2028, 0x202F), *range(0x2066, 0x206A)], "\ufffd"),
    0x09: "\t",
    0x0A: "\n",
    0x0D: None,
}


def printable(text: str) -> str:
    """The text without what a terminal would obey; newlines and tabs stay."""
    return text if text.isprintable() else text.translate(_PICTURES)


def one_line(text: str) -> str:
    """A sentence, printable, and with one space for each run of spaces, newlines and tabs."""
    return " ".join(printable(text).split())


def exact_line(text: str) -> str:
    """A value, printable, and with a space for each newline and tab: in JSON these say the same outside of strings."""
    return printable(text).translate({0x09: " ", 0x0A: " "})


def dimmed(text: str, stream: TextIO) -> str:
    """Faint on a terminal that may be coloured, plain elsewhere."""
    return coloured(text, 2, stream)


def coloured(text: str, rendition: int, stream: TextIO) -> str:
    """In an SGR rendition (ECMA-48) on a terminal that may be coloured (https://no-color.org), plain elsewhere."""
    wanted = rendition and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{rendition}m{text}\x1b[0m" if wanted else text
