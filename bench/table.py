"""Writes the tables of docs/performance.md from the figures in bench/results.

    python -m bench.table [--check]

Between the marks `<!-- bench: NAME -->` and `<!-- /bench -->` stands what this writes; the rest of the page is written
by hand. With `--check` it writes nothing, and exits with 1 where the page is not what it would write.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.machine import REPOSITORY
from bench.ratios import TARGETS, Documents, Target, remarks
from bench.results import number, parts, read

PAGE = REPOSITORY / "docs" / "performance.md"
HIDDEN = frozenset({"load busy", "simulator busy", "bytes/event", "CPU share", "events/read", "late s", "stolen %"})
"""In the JSON only."""


def render(text: str, documents: Documents) -> str:
    """The page with each marked block written anew. Raises KeyError for a block of no known name."""

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}\n{_block(match[2], documents)}\n{match[3]}"

    return re.sub(r"(<!-- bench: ([\w ]+) -->)\n.*?(<!-- /bench -->)", block, text, flags=re.DOTALL)


def _block(name: str, documents: Documents) -> str:
    if name == "targets":
        return _targets(documents)
    if name == "machine":
        return _machine(documents)
    if name.endswith(" plot"):
        part = name.removesuffix(" plot")
        drawn = PAGE.parent / "plots" / f"{part}.svg"
        return f"![{part}](plots/{part}.svg)" if drawn.exists() else "Not drawn yet: `python -m bench.plots`."
    document = documents.get(name)
    return f"Not measured yet: `python -m bench.{name}`." if document is None else _part(document)


def _targets(documents: Documents) -> str:
    lines = ["| | aim | measured | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(_target(target, documents) for target in TARGETS)])


def _target(target: Target, documents: Documents) -> str:
    value = target.value(documents)
    aim = f"{'≥' if target.least else '≤'} {number(target.limit)}{target.unit}"
    if value is None:
        return f"| {target.name} | {aim} | not measured | |"
    said = ["met" if target.met(value) else "**missed**", *target.remarks(documents)]
    return f"| {target.name} | {aim} | {number(value)}{target.unit} | {'; '.join(said)} |"


def _machine(documents: Documents) -> str:
    names = ["part", "commit", "when", "processor", "load before", "calibration ms", "stolen %"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for part, document in documents.items():
        machine = document["machine"]
        processor = f"{machine['processor']}, {machine['cores']} cores"
        calibration = ", ".join(map(number, machine.get("calibration ms", ()))) or "-"
        noise = f"{calibration} | {number(machine.get('stolen %'))}"
        when = f"{document['measured']} | {processor} | {machine['load']} | {noise}"
        lines.append(f"| {part} | `{machine['commit']}` | {when} |")
    return "\n".join(lines)


def _part(document: Mapping[str, Any]) -> str:
    found: list[str] = []
    for load in dict.fromkeys(row["load"] for row in document["rows"]):
        found.append(_rows(load, [row for row in document["rows"] if row["load"] == load]))
    if document["missing"]:
        found.append("\n".join(f"- {name}: not measured: {why}" for name, why in document["missing"].items()))
    return "\n\n".join(found)


def _rows(load: str, rows: Sequence[Mapping[str, Any]]) -> str:
    names = [name for name in dict.fromkeys(name for row in rows for name in row["figures"]) if name not in HIDDEN]
    lines = [f"| {load} | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for row in rows:
        cells = (number(row["figures"].get(name)) for name in names)
        notes = remarks(row["figures"])
        name = f"{row['subject']} ({', '.join(notes)})" if notes else row["subject"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    documents = {part: read(part) for part in parts()}
    before = Path(PAGE).read_text(encoding="utf-8")
    after = render(before, documents)
    if "--check" in sys.argv[1:]:
        sys.exit(0 if after == before else "docs/performance.md is not what python -m bench.table writes")
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
