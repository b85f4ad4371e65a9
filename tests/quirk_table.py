"""The table of oddities in docs/providers.md, from the simulator's registry and from what the tests hold us to.

`python -m tests.quirk_table` writes it anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.quirks.quirk import ALL, Quirk
from simulator.quirks.registry import QUIRKS
from tests.quirk_outcomes import outcome_of

DOCUMENT = Path(__file__).parents[1] / "docs/providers.md"
HEADER = "| quirk | protocols | what is sent, and by whom | what becomes of it |"
NAMES = dict(zip(ALL, ("Chat", "Responses", "Messages", "Gemini"), strict=True))


def row(quirk: Quirk) -> str:
    """The row of a quirk."""
    protocols = ", ".join(NAMES[name] for name in quirk.protocols)
    return f"| `{quirk.name}` | {'all' if quirk.protocols == ALL else protocols} | {quirk.says} | {becomes(quirk)} |"


def becomes(quirk: Quirk) -> str:
    """The last field: one outcome, or each with its protocols."""
    found: dict[str, list[str]] = {}
    for protocol in quirk.protocols:
        found.setdefault(outcome_of(protocol, quirk.name), []).append(NAMES[protocol])
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in found.items())


def written_anew(text: str) -> str:
    """The document with the table as the registry has it."""
    before, header, rest = text.partition(f"{HEADER}\n")
    if not header:
        raise ValueError(f"{DOCUMENT} has no table of quirks")
    lines = rest.splitlines(keepends=True)
    end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    table = "".join(f"{row(quirk)}\n" for quirk in QUIRKS.values())
    return f"{before}{header}|---|---|---|---|\n{table}{''.join(lines[end:])}"


def main() -> int:
    """The command."""
    DOCUMENT.write_text(written_anew(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
