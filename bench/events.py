"""Why msgspec encodes and decodes the events: µs for each, between typed values and compact JSON, beside orjson.

    python -m bench.events

orjson knows no structs: the fields go through a dict on the way out, and back through `msgspec.convert`, which checks
them as our decoder does. `dict only` is orjson without types and checks, the least that it could cost.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import msgspec
import orjson
from rich.console import Console
from rich.table import Table

from bench.machine import describe
from shared.log.events import Attempt, Completed, Delta, Event, Part, PartEnd, Usage, UsageReport, decode, encode

USAGE = Usage(input_tokens=1423, output_tokens=345, cached_tokens=1024, reasoning_tokens=128)
TYPICAL: list[Event] = [
    Attempt(t=0, number=1, reason="new", model="gpt-5", provider="openai"),
    Part(t=412, part=1, kind="tool_call", call_id="call_8fJw2nRq", name="find_flights", executor="client"),
    Delta(t=431, part=0, kind="text", delta=" several"),
    Delta(t=433, part=0, kind="text", delta="„Grüße“, 東京 ✈️ \n\t\"quoted\" " * 8),
    PartEnd(t=9_120, part=0),
    UsageReport(t=9_121, usage=USAGE),
    Completed(t=9_122, finish_reason="stop", raw_finish_reason="stop", usage=USAGE, response_id="chatcmpl-9aXb3"),
]  # fmt: skip
TIMES = 5_000
ROUNDS = 7


def microseconds(step: Callable[[], object]) -> str:
    """The least of several rounds: what is more is the machine's other work."""
    return f"{min(timeit.repeat(step, number=TIMES, repeat=ROUNDS)) / TIMES * 1e6:.2f}"


def measure(event: Event) -> list[str]:
    """One row. Raises AssertionError where the two do not say the same."""
    kind = type(event)
    data = encode(event)
    by_orjson = orjson.dumps(msgspec.to_builtins(event))
    assert orjson.loads(by_orjson) == orjson.loads(data)
    assert decode(event.type, data) == event == msgspec.convert(orjson.loads(by_orjson), kind)
    return [
        event.type,
        str(len(data)),
        microseconds(lambda: encode(event)),
        microseconds(lambda: orjson.dumps(msgspec.to_builtins(event))),
        microseconds(lambda: decode(event.type, data)),
        microseconds(lambda: msgspec.convert(orjson.loads(data), kind)),
        microseconds(lambda: orjson.loads(data)),
    ]


def main() -> None:
    table = Table(title="µs for one event")
    for column in ("event", "bytes", "encode: msgspec", "orjson", "decode: msgspec", "orjson", "orjson, dict only"):
        table.add_column(column, justify="left" if column == "event" else "right")
    for event in TYPICAL:
        table.add_row(*measure(event))
    console = Console(width=110)
    console.print(table)
    machine = describe(["msgspec", "orjson"])
    console.print(f"{machine['processor']}, Python {machine['python']}, {machine['versions']}")


if __name__ == "__main__":
    main()
