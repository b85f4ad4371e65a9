"""Plots of the kept figures, as SVG in docs/: matplotlib of an environment of its own, `.venv-bench/plots`.

    python -m bench.plots

Where this interpreter has no matplotlib, it starts itself again with one that has (`requirements-bench.lock`).
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.environments import Unavailable, locked
from bench.machine import REPOSITORY
from bench.results import parts, read

FOLDER = REPOSITORY / "docs" / "plots"
COLOURS = {"Midstream": "#1f6feb"}
OTHERS = ["#8c959f", "#bf8700", "#cf222e", "#8250df", "#1a7f37", "#953800"]


def bars(
    axes: Any, document: dict[str, Any], load: str, figure: str, title: str, *, limit: float | None = None
) -> None:
    """One bar for each subject; a line where the limit is."""
    rows = [row for row in document["rows"] if row["load"] == load and figure in row["figures"]]
    names = [row["subject"] for row in rows]
    values = [row["figures"][figure] for row in rows]
    colours = [COLOURS.get(name, OTHERS[0]) for name in names]
    drawn = axes.barh(names[::-1], values[::-1], color=colours[::-1])
    axes.bar_label(drawn, fmt="{:,.3g}" if max(values, default=0) < 1000 else "{:,.0f}", padding=3)
    if limit is not None:
        axes.axvline(limit, color="black", linewidth=0.8, linestyle="--")
    axes.set_title(title)
    axes.margins(x=0.2)


def lines(axes: Any, document: dict[str, Any], series: str, figure: str, label: str) -> None:
    """How a figure grows, on two logarithmic axes."""
    rows = [row for row in document["rows"] if row["load"] == series]
    sizes = [int(row["subject"]) for row in rows]
    axes.loglog(sizes, [row["figures"][figure] for row in rows], marker="o", label=label)
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
    axes.minorticks_off()


def pipeline(plot: Any, document: dict[str, Any]) -> Any:
    """CPU and latency beside the others'."""
    figure, axes = plot.subplots(1, 2, figsize=(11, 3.2))
    load = "100 generations at 50/s"
    bars(axes[0], document, load, "CPU µs/delta", "CPU per delta, µs, 100 generations at 50/s")
    bars(axes[1], document, load, "p99 ms", "latency, p99, ms")
    return figure


def fanout(plot: Any, document: dict[str, Any]) -> Any:
    """Deliveries beside the others'."""
    figure, axes = plot.subplots(1, 2, figsize=(11, 3.2))
    load = "1 generations, 10000 viewers, 50 events/s"
    bars(axes[0], document, load, "deliveries/s", "deliveries/s, 500,000 offered, one core", limit=500_000)
    bars(axes[1], document, load, "p99 ms", "latency, p99, ms")
    return figure


def growth(plot: Any, document: dict[str, Any]) -> Any:
    """Latency and CPU as things are doubled."""
    titles = {
        "deltas": "generations, whole pipeline",
        "viewers": "viewers of one",
        "generations": "generations watched",
    }
    figure, axes = plot.subplots(1, 3, figsize=(13, 3.6))
    for one, (series, title) in zip(axes, titles.items(), strict=True):
        for name, label in (("p50 ms", "median ms"), ("p99 ms", "p99 ms")):
            lines(one, document, series, name, label)
        per = "CPU µs/delta" if series == "deltas" else "CPU µs/event"
        lines(one, document, series, per, "CPU µs each")
        one.set_title(title)
        one.legend()
    return figure


def capacity(plot: Any, document: dict[str, Any]) -> Any:
    """One worker, more and more generations, beside one XADD for each delta."""
    figure, axes = plot.subplots(1, 2, figsize=(11, 3.4))
    for subject in dict.fromkeys(row["subject"] for row in document["rows"]):
        rows = [row for row in document["rows"] if row["subject"] == subject]
        sizes = [int(row["load"].split()[0]) for row in rows]
        for one, name in zip(axes, ("p99 ms", "worker share"), strict=True):
            one.plot(sizes, [row["figures"][name] for row in rows], marker="o", label=subject)
    axes[0].set_yscale("log")
    for one, title in zip(axes, ("latency, p99, ms", "share of its core"), strict=True):
        one.set_title(f"one worker: {title}")
        one.set_xlabel("generations at 50 deltas/s")
        one.legend()
    return figure


def soak(plot: Any, document: dict[str, Any]) -> Any:
    """Memory over the number of generations that have ended."""
    figure, axes = plot.subplots(1, 1, figsize=(8, 3.2))
    sizes = [int(row["subject"]) for row in document["rows"]]
    for name in ("worker MB", "API MB"):
        axes.plot(sizes, [row["figures"][name] for row in document["rows"]], marker=".", label=name)
    axes.set_ylim(bottom=0)
    axes.set_title("memory (RSS), after so many generations")
    axes.legend()
    return figure


DRAWN = {"pipeline": pipeline, "fanout": fanout, "growth": growth, "capacity": capacity, "soak": soak}


def draw() -> None:
    """Draw what has been measured."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams.update(
        {"svg.hashsalt": "midstream", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    from matplotlib import pyplot

    FOLDER.mkdir(exist_ok=True)
    for part in parts():
        if part in DRAWN:
            figure = DRAWN[part](pyplot, read(part))
            figure.tight_layout()
            figure.savefig(FOLDER / f"{part}.svg", metadata={"Date": None})


def main() -> None:
    if find_spec("matplotlib") is not None:
        draw()
        return
    try:
        interpreter = locked("plots", REPOSITORY / "requirements-bench.lock")
    except Unavailable as reason:
        sys.exit(f"bench.plots: matplotlib {reason}")
    subprocess.run([interpreter, "-m", "bench.plots"], cwd=Path(REPOSITORY), check=True, timeout=300)


if __name__ == "__main__":
    main()
