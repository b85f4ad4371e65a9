"""What `midstream top` shows: a status in a screen of lines. What others named is escaped."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from midstream.output.table import Cell
from midstream.output.table import lines as table_lines
from shared.counted import counted
from shared.one_line import escaped
from shared.queue.status import Status
from shared.storage.redis_facts import RedisFacts

MAX_ROWS = 10
"""Rows of each table; the rest is counted."""
MAX_NAME_CHARS = 40
BAD, DOUBTFUL, HEADING = "red", "yellow", "bold"


class Rates(NamedTuple):
    """Generations in a second."""

    started: float
    ended: float


class Trouble(NamedTuple):
    """Something that is wrong; `bad` makes `midstream doctor` fail."""

    bad: bool
    text: str


class Screen:
    """The terminal's other screen, redrawn as a whole; the terminal is as it was when it is left."""

    def __init__(self) -> None:
        self._live = Live(console=Console(file=sys.stdout, highlight=False), screen=True, auto_refresh=False)

    @staticmethod
    def is_possible() -> bool:
        """Says whether stdout is a terminal that can be redrawn."""
        return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, shown: Iterable[Text]) -> None:
        """Shows these lines instead of what was there; a line is cut where the terminal ends."""
        self._live.update(Text("\n", no_wrap=True, overflow="crop").join(shown), refresh=True)


def lines(status: Status, rates: Rates | None, troubles: Sequence[Trouble]) -> Iterator[Text]:
    """Yields the lines of a status."""
    yield Text(f"midstream  {status.time}", HEADING)
    yield Text(f"queue      {_queue(status)}")
    yield Text(f"rates      {_rates(rates)}")
    yield Text(f"workers    {_workers(status)}")
    for facts in status.redis:
        yield Text(f"redis      {_redis(facts)}")
    for trouble in troubles:
        yield Text(
            f"{'fail' if trouble.bad else 'warn'}       {escaped(trouble.text)}", BAD if trouble.bad else DOUBTFUL
        )
    for headings, rows, left in (_owners(status), _providers(status), _each_worker(status)):
        if rows:
            yield Text("")
            first, *others = table_lines(headings, rows, right=frozenset(headings[1:]), width=None)
            yield Text(first, HEADING)
            yield from map(Text, others)
            if left:
                yield Text(f"and {left} more")


def _queue(status: Status) -> str:
    queue, leases = status.queue, status.leases
    waits = f"{counted(queue.waiting, 'waits', 'wait')}, the oldest for {age(queue.oldest_wait_ms)}"
    run_out = f", {counted(leases.run_out, 'lease', 'leases')} run out" if leases.run_out else ""
    return f"{waits}; {counted(queue.running, 'runs', 'run')}{run_out}; {queue.pending} of {queue.max_pending} pending"


def _rates(rates: Rates | None) -> str:
    return "-" if rates is None else f"{rates.started:.1f} started/s, {rates.ended:.1f} ended/s"


def _workers(status: Status) -> str:
    places = status.workers.places
    return f"{status.workers.alive} alive" + ("" if places is None else f", {counted(places, 'place', 'places')}")


def _redis(facts: RedisFacts) -> str:
    limit = "no limit" if facts.memory_limit is None else megabytes(facts.memory_limit)
    said = [
        None if facts.version is None else f"{facts.server} {facts.version}",
        None if facts.append_only is None else f"appendonly {'yes' if facts.append_only else 'no'}",
        facts.append_fsync,
        facts.eviction,
        None if facts.memory_used is None else f"{megabytes(facts.memory_used)} of {limit}",
        None if facts.clients is None else f"{facts.clients} of {facts.clients_limit or '?'} connections",
    ]
    return f"{' and '.join(facts.serves)}: " + (", ".join(one for one in said if one) or "hides how it is set up")


def _owners(status: Status) -> tuple[tuple[str, ...], list[list[Cell]], int]:
    shown = status.lines.longest[:MAX_ROWS]
    rows = [
        _row(name(line.owner), line.waiting, line.running, line.most_running, age(line.oldest_wait_ms))
        for line in shown
    ]
    return ("OWNER", "WAITING", "RUNNING", "AT MOST", "OLDEST"), rows, status.lines.owners - len(shown)


def _providers(status: Status) -> tuple[tuple[str, ...], list[list[Cell]], int]:
    shown = status.providers[:MAX_ROWS]
    rows = []
    for one in shown:
        failed = (
            ("-", "-", "-") if one.failed is None else (age(one.failed.ms_ago), one.failed.code, name(one.failed.model))
        )
        rows.append(_row(name(one.provider), age(one.answered_ms_ago), *failed, age(one.circuit_open_ms)))
    headings = ("PROVIDER", "ANSWERED", "FAILED", "CODE", "MODEL", "CIRCUIT OPEN")
    return headings, rows, len(status.providers) - len(shown)


def _each_worker(status: Status) -> tuple[tuple[str, ...], list[list[Cell]], int]:
    shown = sorted(status.workers.each, key=lambda worker: -worker.silent_ms)[:MAX_ROWS]
    rows = [_row(name(worker.name), worker.places, age(worker.silent_ms)) for worker in shown]
    return ("WORKER", "PLACES", "SILENT"), rows, status.workers.alive - len(shown)


def _row(*values: str | int | None) -> list[Cell]:
    return [Cell("-" if value is None else str(value)) for value in values]


def name(text: str) -> str:
    """Returns what others named, escaped and short."""
    cut = text if len(text) <= MAX_NAME_CHARS else text[: MAX_NAME_CHARS - 1] + "…"
    return escaped(cut)


def age(ms: int | None) -> str:
    """Returns an age as people read it."""
    if ms is None:
        return "-"
    return f"{ms / 1000:.1f} s" if ms < 100_000 else f"{ms // 60_000} min"


def megabytes(count: int) -> str:
    """Returns a number of bytes in MB."""
    return f"{count / 1e6:.1f} MB"
