"""The table of metrics in docs/operations.md: its rows are made from what an API and a worker serve.

`python -m tests.metrics_table` writes them anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from api.metrics import ApiMetrics
from shared.config.settings import Settings
from shared.metrics.tallies import Counts, Level, Tally, Times
from worker.metrics import Gauges, WorkerMetrics

DOCUMENT = Path(__file__).parents[1] / "docs/operations.md"
HEAD = "| metric | type | of | labels | what it counts |\n|---|---|---|---|---|\n"
TYPES: dict[type[Tally], str] = {Counts: "counter", Times: "histogram", Level: "gauge"}


def tallies() -> dict[str, tuple[Tally, list[str]]]:
    """Each metric by its name, with who serves it."""
    settings = Settings(metrics_owners=True)
    served = {
        "API": ApiMetrics(settings).tallies(lambda: 0),
        "worker": WorkerMetrics(settings).tallies(Gauges(lambda: 0, lambda: 0)),
    }
    found: dict[str, tuple[Tally, list[str]]] = {}
    for process, own in served.items():
        for tally in own:
            found.setdefault(tally.meaning.name, (tally, []))[1].append(process)
    return found


def rows() -> Iterator[str]:
    """A row for each metric, in the order of their names."""
    for name, (tally, processes) in sorted(tallies().items()):
        labels = ", ".join(f"`{label}`" for label in tally.meaning.labels)
        kind = TYPES[type(tally)]
        yield f"| `{name}` | {kind} | {' and '.join(processes)} | {labels} | {tally.meaning.help} |\n"


def table() -> str:
    """The whole table."""
    return HEAD + "".join(rows())


def main() -> int:
    """The command; 1 where the document has no such table."""
    text = DOCUMENT.read_text(encoding="utf-8")
    written, count = re.subn(re.escape(HEAD) + r"(\|.*\n)*", lambda _: table(), text)
    DOCUMENT.write_text(written, encoding="utf-8")
    return 0 if count == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
