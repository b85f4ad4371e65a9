"""Counts, times and gauges as plain numbers: an observation costs less than a microsecond and takes no lock.

They are written on one thread, the loop's, and read on another, that of the scrape: a reader copies, and may see an
observation's bucket before its sum. Prometheus' own classes take a lock for each, twice (shared/metrics/exposition.py
turns these into what they would say).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.metrics.label_names import OTHER

Labels = tuple[str, ...]

MAX_SERIES = 10_000
"""Sets of labels that one counter has: owners and models together may be very many."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A metric's name, what it means, and the names of its labels."""

    name: str
    help: str
    labels: Sequence[str] = ()


class Counts:
    """A counter; `known` label values are there from the start, as a rate needs a zero before the first.

    Each label is bounded by who counts, and what several of them come to together here: of MAX_SERIES and more, all
    labels but the first are OTHER.
    """

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), known: Iterable[Labels] = ()) -> None:
        self.meaning = Meaning(name, help, labels)
        self._values: dict[Labels, float] = dict.fromkeys(known if labels else [()], 0)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Counts one, or `amount`."""
        if labels not in self._values and len(self._values) >= MAX_SERIES:
            labels = (*labels[:1], *[OTHER] * (len(labels) - 1))
        self._values[labels] = self._values.get(labels, 0) + amount

    def values(self) -> dict[Labels, float]:
        """Returns a copy of the counts."""
        return self._values.copy()


class Times:
    """A histogram of seconds; `bounds` are the upper bounds of its buckets, but for the last, which has none."""

    def __init__(
        self, name: str, help: str, bounds: Sequence[float], labels: Sequence[str] = (), known: Iterable[Labels] = ()
    ) -> None:
        self.meaning = Meaning(name, help, labels)
        self.bounds = tuple(bounds)
        self._rows: dict[Labels, list[float]] = {}
        for values in known if labels else [()]:
            self._row(values)

    def take(self, seconds: float, *labels: str) -> None:
        """Counts one observation. Less than nothing, as clocks differ, is nothing."""
        row = self._rows.get(labels) or self._row(labels)
        if seconds < 0.0:
            seconds = 0.0
        row[bisect_left(self.bounds, seconds)] += 1
        row[-1] += seconds

    def _row(self, labels: Labels) -> list[float]:
        """Returns a new row: a count for each bucket, and last the sum."""
        row = self._rows[labels] = [0.0] * (len(self.bounds) + 2)
        return row

    def rows(self) -> dict[Labels, list[float]]:
        """Returns a copy: for each set of labels a count for each bucket, and last the sum of all seconds."""
        return {labels: row.copy() for labels, row in self._rows.copy().items()}


class Level:
    """A gauge: `read` returns how high it stands now, or None where that is not known."""

    def __init__(self, name: str, help: str, read: Callable[[], float | None]) -> None:
        self.meaning = Meaning(name, help)
        self.read = read


Tally = Counts | Times | Level
