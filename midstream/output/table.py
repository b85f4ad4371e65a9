"""Rows under headings, of which nothing is cut: where they are too wide for a terminal, a few lines for each row."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from midstream.terminal import coloured

COLUMN_GAP = "  "


class Cell(NamedTuple):
    """A value in one line; `colour` is a number of ANSI's (ECMA-48, SGR), for a terminal."""

    text: str
    colour: int = 0

    @property
    def shown(self) -> str:
        """Returns the value as it is written to stdout."""
        return coloured(self.text, self.colour, sys.stdout)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: frozenset[str]) -> None:
    """Writes a table to stdout; columns in `right` are numbers. A file or a pipe has no width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines(headings, rows, right=right, width=width):
        print(line)


def lines(
    headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: frozenset[str], width: int | None
) -> Iterator[str]:
    """Yields the lines of a table, if that fits; else each row's first value, and below it the others with headings."""
    texts = [[cell.text for cell in row] for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(headings, *texts, strict=True)]
    if width is not None and sum(widths) + len(COLUMN_GAP) * (len(widths) - 1) > width:
        for row in rows:
            yield from _folded(headings, row, width)
        return
    for row in [tuple(map(Cell, headings)), *rows]:
        cells = zip(headings, row, widths, strict=True)
        yield COLUMN_GAP.join(_padded(*cell, right=right) for cell in cells).rstrip()


def columns_of(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    # Only tables need it, and it takes 30 ms to import.
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def _padded(heading: str, cell: Cell, width: int, *, right: frozenset[str]) -> str:
    padding = " " * (width - columns_of(cell.text))
    return padding + cell.shown if heading in right else cell.shown + padding


def _folded(headings: Sequence[str], row: Sequence[Cell], width: int) -> Iterator[str]:
    # A value that is wider than the terminal has a line of its own, which the terminal breaks.
    yield row[0].shown
    line, used = "", 0
    for heading, cell in zip(headings[1:], row[1:], strict=True):
        shown = f"{heading.lower()} {cell.shown}"
        wide = len(heading) + 1 + columns_of(cell.text)
        if used and used + len(COLUMN_GAP) + wide > width:
            yield line
            line, used = "", 0
        line, used = f"{line}{COLUMN_GAP}{shown}", used + len(COLUMN_GAP) + wide
    yield line
