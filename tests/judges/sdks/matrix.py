"""The table of clients and behaviours, made of the results of a run. A cell that is missing or fails is no table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.judges.sdks.behaviours import BEHAVIOURS
from tests.judges.sdks.judging import Cell

YES, NONE = "yes", "none"


BEGIN, END = "<!-- clients -->\n", "<!-- end of clients -->\n"
"""Between these lines a document holds the table."""


class EmptyCellError(Exception):
    """Somebody was not asked, or did not do it; the text has a line for each."""


def table(cells: Sequence[Cell], rows: Sequence[tuple[str, str]]) -> str:
    """Markdown, with a note for each thing that a client has no way to show. Raises EmptyCellError."""
    found = {(cell.client, cell.dialect, cell.behaviour): cell for cell in cells}
    wanted = [(*row, behaviour) for row in rows for behaviour in BEHAVIOURS]
    empty = [" / ".join(key) for key in wanted if key not in found]
    empty += [f"{' / '.join(key)}: {why}" for key in wanted if key in found for why in found[key].complaints]
    if empty:
        raise EmptyCellError("\n".join(empty))
    head = ["client", "dialect", *BEHAVIOURS]
    lines = [head, ["---"] * len(head)]
    notes: dict[str, int] = {}
    for client, dialect in rows:
        marks = [_mark(found[client, dialect, behaviour], notes) for behaviour in BEHAVIOURS]
        lines.append([client, dialect, *marks])
    told = [f"{number}. {why}" for why, number in notes.items()]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *told, ""])


def written_anew(document: str, lines: str) -> str:
    """The document with this table in the old one's place. Raises ValueError where it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no table between {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}{lines}{end}{after}"


def _mark(cell: Cell, notes: dict[str, int]) -> str:
    if not cell.lacks:
        return YES
    return f"{NONE} ({notes.setdefault(f'The client {cell.lacks}.', len(notes) + 1)})"
