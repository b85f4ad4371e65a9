"""Resuming: the replay of a long log to one viewer beside a raw XRANGE of it, and a thousand viewers at once.

    python -m bench.resume [--rounds 3] [--json FILE]

The API and Redis share the server's core. `replay` is the time from the request to the terminal event of a log of
10,000 events; `raw XRANGE` that from the command to the last byte of its reply, read from a bare socket.
In the storm 1,000 viewers come at once, each after a random event of one of 20 logs of 5,000 events, while 100 viewers
watch another log at 20 events/s.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench import cpu
from bench.arguments import parser
from bench.cpu import SERVER_CORE
from bench.fans import Fan, Logs, midstream
from bench.load import get, load
from bench.results import Figures, Report, losses
from bench.rounds import alternate
from shared.storage.keys import GenerationKeys

LONG = 10_000
LOGS, EVENTS, COMERS, LIVE = 20, 5_000, 1_000, 100
LIVE_RATE = 20
LIMIT = 120
"""Seconds after which those that have not caught up count as lost."""


async def replay() -> tuple[Figures, Figures]:
    """A replay, and the raw XRANGE, in ms."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with midstream(redis_core=SERVER_CORE)(1, folder) as fan:
            assert fan.logs is not None
            await fan.logs.appender.fill(LONG)
            await fan.logs.appender.finish()
            ours, raw = [], []
            for _ in range(7):
                async with load(fan.port, fan.requests, folder=folder, expect=LONG, seconds=60) as streams:
                    report = await streams.report(90.0)
                ours.append(report["done"]["p50"] / 1000)
                raw.append(await asyncio.to_thread(_xrange, fan.logs))
    # The first of each warms up.
    lost = losses(report, LONG)
    return {"ms": sorted(ours[1:])[3], **lost}, {"ms": sorted(raw[1:])[3]}


def _xrange(logs: Logs) -> float:
    """Milliseconds of one XRANGE of the whole log."""
    key = GenerationKeys(logs.ids[0]).log.encode()
    command = b"*4\r\n$6\r\nXRANGE\r\n$%d\r\n%b\r\n$1\r\n-\r\n$1\r\n+\r\n" % (len(key), key)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30.0)
        connection.connect(str(logs.valkey.socket))
        # What follows the reply shows its end, without a look at what is in it.
        began = time.perf_counter()
        connection.sendall(command + b"*2\r\n$4\r\nECHO\r\n$7\r\nthe end\r\n")
        last = b""
        while not last.endswith(b"$7\r\nthe end\r\n"):
            last = last[-20:] + connection.recv(1 << 18)
        return (time.perf_counter() - began) * 1000


async def storm(*, sealed: bool) -> Figures:
    """A thousand come back at once."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        (folder / "live").mkdir()
        async with AsyncExitStack() as opened:
            fan = await opened.enter_async_context(midstream(redis_core=SERVER_CORE)(LOGS + 1, folder))
            assert fan.logs is not None
            appender = fan.logs.appender
            await appender.fill(EVENTS)
            if sealed:
                await appender.finish(range(LOGS))
            live_load = load(fan.port, [_resume(fan, LOGS, EVENTS)], folder=folder / "live", viewers=LIVE, seconds=300)
            live = await opened.enter_async_context(live_load)
            await live.ready()
            making = asyncio.create_task(_publish(fan))
            await asyncio.sleep(3.0)
            before = cpu.memory(fan.processes.values())
            peaks: list[int] = []
            peak = asyncio.create_task(_watch(fan, peaks))
            asked = [_resume(fan, number % LOGS, random.randint(1, EVENTS - 1)) for number in range(COMERS)]
            options = {"viewers": COMERS, "ramp": 1_000_000, "until": EVENTS - 1, "seconds": LIMIT}
            live.window()
            async with load(fan.port, asked, folder=folder, **options) as comers:
                report = await comers.report(LIMIT + 30.0)
            live.window()
            peak.cancel()
            making.cancel()
            others = await live.report(30.0, stop=True)
    wrong = losses(report, 0)
    wrong["lost"] = report["missing"] + COMERS - report["complete"]
    return {
        "last caught up s": report["done"]["max"] / 1e6,
        "median s": report["done"]["p50"] / 1e6,
        "live p99 ms": others["latency"]["p99"] / 1000,
        "live max ms": others["latency"]["max"] / 1000,
        "growth MB": (max(peaks) - before) / 1e6,
        **wrong,
    }


async def _watch(fan: Fan, peaks: list[int]) -> None:
    """Note the server's memory again and again."""
    while True:
        peaks.append(cpu.memory(fan.processes.values()))
        await asyncio.sleep(0.1)


async def _publish(fan: Fan) -> None:
    assert fan.logs is not None
    began = time.perf_counter()
    for number in count():
        await asyncio.sleep(max(0.0, began + number / LIVE_RATE - time.perf_counter()))
        await fan.logs.appender.publish([LOGS], EVENTS + number)


def _resume(fan: Fan, number: int, seq: int) -> bytes:
    """A request for what follows an event; seq 0 is the attempt, so that serial n has seq n + 1."""
    assert fan.logs is not None
    cursor = fan.logs.appender.cursor(number, seq)
    return get(f"/v1/generations/{fan.logs.ids[number]}/events", cursor)


async def main() -> None:
    options = parser(__doc__).parse_args()
    report = Report("resume", {"rounds": options.rounds})

    async def one(name: str) -> None:
        if name == "replay":
            ours, raw = await replay()
            report.add("Midstream", f"{LONG} events to one viewer", ours)
            report.add("raw XRANGE", f"{LONG} events to one viewer", raw)
        else:
            figures = await storm(sealed=name == "sealed")
            report.add("Midstream", f"{COMERS} viewers at once, {name} logs", figures)

    await alternate(report, ["replay", "sealed", "running"], options.rounds, one, "resuming")
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
