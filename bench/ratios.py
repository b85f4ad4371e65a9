"""The ratios that were promised, from kept figures: what each is, what it may be at most, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.results import DISTURBED

Documents = Mapping[str, Mapping[str, Any]]
"""Kept figures by part."""
ENOUGH = 95.0
"""Per cent of what is offered that a subject carries unless it is saturated."""
LATE = 0.5
"""Seconds by which a publisher may fall behind before the row says so."""
FULL = 0.9
"""Share of a core from which it counts as full."""


def remarks(figures: Mapping[str, float]) -> list[str]:
    """Why a row's figures are not those of a subject that carried what was offered."""
    found = ["disturbed"] if figures.get("stolen %", 0) > DISTURBED else []
    if max(figures.get("load busy", 0), figures.get("simulator busy", 0)) > FULL:
        found.append("the load was the bottleneck")
    if figures.get("carried %", ENOUGH) < ENOUGH:
        # What was not made was not offered, unless the server itself held the publisher up.
        late = figures.get("late s", 0) > LATE and figures.get("CPU share", 0) < FULL
        found.append("the publisher was late" if late else "saturated")
    return found


@dataclass(frozen=True)
class Place:
    """Where a figure is."""

    part: str
    load: str
    subject: str
    figure: str

    def row(self, documents: Documents) -> Mapping[str, float]:
        """All figures of the subject under the load; none where it was not measured."""
        for row in documents.get(self.part, {}).get("rows", ()):
            if (row["load"], row["subject"]) == (self.load, self.subject):
                figures: Mapping[str, float] = row["figures"]
                return figures
        return {}

    def find(self, documents: Documents) -> float | None:
        """The figure; None where it was not measured."""
        return self.row(documents).get(self.figure)


@dataclass(frozen=True)
class Target:
    """One line of what is to be reached: a figure, or its ratio or difference to another one of the same run."""

    name: str
    limit: float
    place: Place
    other: Place | None = None
    minus: bool = False
    least: bool = False
    """The limit is a lower one."""
    unit: str = ""

    def value(self, documents: Documents) -> float | None:
        """What was measured; None where anything of it is missing."""
        figure = self.place.find(documents)
        if self.other is None or figure is None:
            return figure
        other = self.other.find(documents)
        if other is None or (other == 0 and not self.minus):
            return None
        return figure - other if self.minus else figure / other

    def remarks(self, documents: Documents) -> list[str]:
        """Of the subjects, those that did not carry what was offered, and why."""
        places = [self.place] if self.other is None else [self.place, self.other]
        said = {place.subject: ", ".join(remarks(place.row(documents))) for place in places}
        return [f"{subject}: {remark}" for subject, remark in said.items() if remark]

    def met(self, value: float) -> bool:
        """Whether this is enough."""
        return value >= self.limit if self.least else value <= self.limit


def _pair(
    name: str, limit: float, part: str, load: str, figure: str, peer: str, *, minus: bool = False, least: bool = False
) -> Target:
    mine, other = Place(part, load, "Midstream", figure), Place(part, load, peer, figure)
    return Target(name, limit, mine, other, minus=minus, least=least, unit=" ms" if minus else " x")


def _own(name: str, limit: float, part: str, load: str, figure: str, unit: str, *, least: bool = False) -> Target:
    return Target(name, limit, Place(part, load, "Midstream", figure), unit=unit, least=least)


_FIFTY, _HUNDRED, _TWO_HUNDRED, _FOUR_HUNDRED = (f"{count} generations at 50/s" for count in (50, 100, 200, 400))
_THOUSAND, _TEN_THOUSAND = (f"1 generations, {viewers} viewers, 50 events/s" for viewers in (1000, 10000))
_EACH_ONE, _EACH_TWO = (f"{count} generations, 1000 viewers, 20 events/s" for count in (1000, 500))
_REPLAY = "10000 events to one viewer"
_STORM = "1000 viewers at once, running logs"

TARGETS = [
    _pair("1. CPU per delta, to the plain proxy", 0.6, "pipeline", _HUNDRED, "CPU µs/delta", "plain proxy"),
    _pair("1. CPU per delta, to LiteLLM's proxy", 0.2, "pipeline", _HUNDRED, "CPU µs/delta", "LiteLLM proxy"),
    *(
        _pair(f"2. latency, {name}, more than the plain proxy's{where}", limit, "pipeline", load, figure, "plain proxy",
              minus=True)
        for load, where in ((_HUNDRED, ""), (_FIFTY, ", at 50, where that one keeps up"))
        for name, limit, figure in (("median", 2, "p50 ms"), ("p99", 10, "p99 ms"))
    ),
    _pair("2. latency, p99 at 200, to the plain proxy", 1, "pipeline", _TWO_HUNDRED, "p99 ms", "plain proxy"),
    *(
        _pair(f"3. first token, median, {running} running, more than the plain proxy's", 4, "first_token",
              f"{running} running", "p50 ms", "plain proxy", minus=True)
        for running in (0, 100, 500)
    ),
    _own("4. one worker, 400 generations, deltas/s", 19_000, "capacity", _FOUR_HUNDRED, "deltas/s", "/s", least=True),
    _own("4. one worker, 400 generations, p99", 50, "capacity", _FOUR_HUNDRED, "p99 ms", " ms"),
    _pair("4. CPU per delta, to one XADD for each delta", 0.25, "capacity", _HUNDRED, "worker µs/delta",
          "XADD for each delta"),
    _pair("4. deltas/s, to one XADD for each delta", 4, "capacity", _FOUR_HUNDRED, "deltas/s", "XADD for each delta",
          least=True),
    _own("5. 10,000 viewers, deliveries/s", 490_000, "fanout", _TEN_THOUSAND, "deliveries/s", "/s", least=True),
    _own("5. 10,000 viewers, p99", 150, "fanout", _TEN_THOUSAND, "p99 ms", " ms"),
    _pair("5. deliveries/s, to Nchan", 4, "fanout", _TEN_THOUSAND, "deliveries/s", "Nchan", least=True),
    _pair("5. deliveries/s, to sse-starlette", 7, "fanout", _TEN_THOUSAND, "deliveries/s", "sse-starlette", least=True),
    _pair("5. 1,000 viewers, CPU per event, to Nchan", 0.85, "fanout", _THOUSAND, "CPU µs/event", "Nchan"),
    Target("5. the same, with a window of 50 ms", 0.45,
           Place("fanout", _THOUSAND, "Midstream, 50 ms window", "CPU µs/event"),
           Place("fanout", _THOUSAND, "Nchan", "CPU µs/event"), unit=" x"),
    Target("5. its p99", 75, Place("fanout", _THOUSAND, "Midstream, 50 ms window", "p99 ms"), unit=" ms"),
    Target("5. deliveries/s by ASGI alone, to Nchan", 3.5,
           Place("fanout", _TEN_THOUSAND, "Midstream, by ASGI", "deliveries/s"),
           Place("fanout", _TEN_THOUSAND, "Nchan", "deliveries/s"), least=True, unit=" x"),
    _pair("5. CPU per write, to a C send()", 1.25, "fanout", _THOUSAND, "CPU µs/read", "C loop of send()"),
    _own("6. 1,000 generations with a viewer each, p99", 30, "fanout", _EACH_ONE, "p99 ms", " ms"),
    _pair("6. CPU per event, to a Redis reader for each viewer", 0.3, "fanout", _EACH_ONE, "CPU µs/event",
          "Redis reader for each viewer"),
    _pair("6. 500 generations with two viewers each, CPU per event, to Nchan", 0.65, "fanout", _EACH_TWO,
          "CPU µs/event", "Nchan"),
    Target("6. CPU per event at 2,000 generations, to that at 10", 1.2,
           Place("growth", "generations", "2000", "CPU µs/event"), Place("growth", "generations", "10", "CPU µs/event"),
           unit=" x"),
    _own("7. an idle viewer", 3, "memory", "an idle viewer", "kB", " kB"),
    _own("7. a stalled viewer", 256, "memory", "a stalled viewer", "kB", " kB"),
    _own("7. a watched generation, to its log", 1, "memory", "a watched generation", "times its log", " x"),
    _own("7. a log entry in Redis", 130, "memory", "an entry", "bytes", " B"),
    _own("7. a finished log, to its text", 1.3, "memory", "a finished log", "times its text", " x"),
    Target("8. replay, to a raw XRANGE", 2, Place("resume", _REPLAY, "Midstream", "ms"),
           Place("resume", _REPLAY, "raw XRANGE", "ms"), unit=" x"),
    _own("8. 1,000 resume at once, last caught up", 3, "resume", _STORM, "last caught up s", " s"),
    _own("8. live viewers meanwhile, p99", 200, "resume", _STORM, "live p99 ms", " ms"),
    _own("8. growth of memory", 100, "resume", _STORM, "growth MB", " MB"),
    _own("9. commands per delta at 20,000 deltas/s", 0.3, "capacity", _FOUR_HUNDRED, "commands/delta", ""),
    _own("9. an append, in Redis", 8, "capacity", _FOUR_HUNDRED, "append µs", " µs"),
    _own("9. idle, commands/s for each process", 10, "idle", "idle", "commands/s for each process", "/s"),
    *(Target(f"11. {name}, CPU per event, to native", 2, Place("dialects", _THOUSAND, name, "CPU µs/event"),
             Place("dialects", _THOUSAND, "native", "CPU µs/event"), unit=" x")
      for name in ("Chat", "Responses", "Messages", "mixed")),
]  # fmt: skip
"""In the order and with the numbers of the issue that set them."""
