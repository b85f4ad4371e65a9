"""Text that is safe for a terminal, and its colours."""

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
    """Returns the text without what a terminal would obey; newlines and tabs stay."""
    return text if text.isprintable() else text.translate(_PICTURES)


def one_line(text: str) -> str:
    """Returns a sentence, printable, and with one space for each run of spaces, newlines and tabs."""
    return " ".join(printable(text).split())


def exact_line(text: str) -> str:
    """Returns a value, printable, with spaces for newlines and tabs: in JSON they say the same outside of strings."""
    return printable(text).translate({0x09: " ", 0x0A: " "})


def dimmed(text: str, stream: TextIO) -> str:
    """Returns the text faint for a terminal that may be coloured, plain for all else."""
    return coloured(text, 2, stream)


def coloured(text: str, rendition: int, stream: TextIO) -> str:
    """Returns the text in an SGR rendition (ECMA-48) for a terminal that may be coloured (https://no-color.org)."""
    wanted = rendition and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{rendition}m{text}\x1b[0m" if wanted else text
