"""What memory costs: an idle viewer, a stalled one, a watched generation, and a log in Redis.

    python -m bench.memory [--only NAME]… [--rounds 1] [--json FILE]

An idle viewer is the growth of the server's memory (PSS) between 2,000 viewers and 10,000, for each; what the kernel
holds for a socket is not in it. A stalled viewer never reads, while its generation grows by about 2 MB: the growth of
the process and of the kernel's TCP buffers, for each; the buffer at the viewer's own end, which is on this machine too,
is apart. A watched generation is the growth of the process for a log of 5,000 events, as a multiple of the log's bytes
on the wire.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import uvloop
from redis.asyncio import Redis

from bench import cpu, fans
from bench.arguments import parser
from bench.fans import Fan
from bench.load import load
from bench.results import Figures, Report
from bench.rounds import alternate
from bench.stack import Connection
from bench.subjects import PROMPT
from shared.storage.keys import GenerationKeys
from tests.harness.processes import Stack

FEW, MANY = 2_000, 10_000
OPENING = 1_500
STALLED = 100
SETTLE = 2.0


def _held(fan: Fan) -> int:
    """Bytes of the server and its children."""
    return cpu.memory(pid for root in fan.processes.values() for pid in cpu.tree(root))


async def idle(start: fans.Start) -> Figures:
    """Bytes for an idle viewer."""
    held: list[int] = []
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        async with AsyncExitStack() as opened:
            fan = await opened.enter_async_context(start(1, Path(name)))
            for viewers in (FEW, MANY - FEW):
                folder = Path(name) / str(viewers)
                folder.mkdir()
                options = {"viewers": viewers, "ramp": OPENING, "seconds": 300}
                streams = await opened.enter_async_context(load(fan.port, fan.requests, folder=folder, **options))
                await streams.ready(120)
                await asyncio.sleep(SETTLE)
                held.append(_held(fan))
    return {"kB": (held[1] - held[0]) / (MANY - FEW) / 1000}


async def stalled(start: fans.Start) -> Figures:
    """Bytes for a viewer that does not read."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with start(1, folder) as fan:
            options = {"viewers": STALLED, "stall": STALLED, "ramp": OPENING, "seconds": 120}
            async with load(fan.port, fan.requests, folder=folder, **options) as streams:
                await streams.ready()
                await asyncio.sleep(SETTLE)
                process, kernel = _held(fan), cpu.socket_memory()
                await fan.pace(2000, 10)
                await asyncio.sleep(SETTLE)
                process, kernel = _held(fan) - process, cpu.socket_memory() - kernel
                report = await streams.report(30.0, stop=True)
    unread = report["unread"]
    figures = {"kB": process + kernel - unread, "kernel kB": kernel - unread, "viewer's kernel kB": unread}
    return {name: size / STALLED / 1000 for name, size in figures.items()}


async def watched(start: fans.Start) -> Figures:
    """How often a watched generation's log is held."""
    generations = 20
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with AsyncExitStack() as opened:
            fan = await opened.enter_async_context(start(generations, folder))
            looking = load(fan.port, fan.requests, folder=folder, viewers=generations, seconds=120)
            streams = await opened.enter_async_context(looking)
            await streams.ready()
            await fan.pace(50, 2)
            before = _held(fan)
            await fan.pace(500, 10)
            await asyncio.sleep(SETTLE)
            growth = _held(fan) - before
            report = await streams.report(30.0, stop=True)
    # The first 100 events of each were before.
    share = 5_000 / 5_100
    return {"times its log": growth / (report["total_bytes"] * share)}


async def logged() -> dict[str, Figures]:
    """Bytes in Redis: of an entry with an event of about 100 bytes, and of a finished log for a byte of its text."""
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with fans.midstream()(1, folder) as fan:
            assert fan.logs is not None
            await fan.logs.appender.fill(10_000, padding=30)
            key = GenerationKeys(fan.logs.ids[0]).log
            size = await fan.logs.redis.memory_usage(key, samples=0)
            entries = await fan.logs.redis.xrange(key)
            data = sum(len(value) for _, fields in entries for value in fields.values())
        entry = {"bytes": size / len(entries), "event's bytes": data / len(entries)}
    with TemporaryDirectory(prefix="midstream-bench-") as name:
        folder = Path(name)
        async with Stack(folder) as stack:
            finished = await _finished(stack)
    return {"an entry": entry, "a finished log": finished}


async def _finished(stack: Stack) -> Figures:
    """A log of 1,000 deltas at 200/s, some seconds after its end."""
    connection = Connection(stack.apis[0].port)
    await connection.ready()
    body = {"model": "simulator/lorem?deltas=1000&rate=200", "messages": PROMPT}
    status, answer = await connection.post("/v1/generations", json.dumps(body).encode())
    await connection.close()
    assert status == 202, answer
    redis = Redis.from_url(stack.valkey.url)
    id = json.loads(answer)["id"]
    keys = GenerationKeys(id)
    state: Any = redis.hget  # typed for the blocking client too
    for _ in range(300):
        if await state(keys.record, "state") == b"completed":
            break
        await asyncio.sleep(0.2)
    # Whatever is done with it after the end has time to happen.
    await asyncio.sleep(8.0)
    size = await redis.memory_usage(keys.log, samples=0)
    await redis.aclose()
    async with httpx2.AsyncClient(base_url=stack.apis[0].url, timeout=30.0, trust_env=False) as client:
        snapshot = (await client.get(f"/v1/generations/{id}")).raise_for_status().json()
    text = len(snapshot["text"].encode())
    return {"bytes": size, "text's bytes": text, "times its text": size / text}


async def main() -> None:
    measured = {name: start for name, start in fans.FANS.items() if name != "C loop of send()"}
    arguments = parser(__doc__, subjects=list(measured), rounds=1)
    options = arguments.parse_args()
    report = Report("memory", {"few": FEW, "many": MANY, "stalled": STALLED, "rounds": options.rounds})
    names = options.only or list(measured)

    async def one_idle(name: str) -> None:
        report.add(name, "an idle viewer", await idle(measured[name]))

    async def one_stalled(name: str) -> None:
        report.add(name, "a stalled viewer", await stalled(measured[name]))

    async def one_watched(name: str) -> None:
        report.add(name, "a watched generation", await watched(measured[name]))

    await alternate(report, names, options.rounds, one_idle, "an idle viewer")
    await alternate(report, names, options.rounds, one_stalled, "a stalled viewer")
    if "Midstream" in names:
        await alternate(report, ["Midstream"], options.rounds, one_watched, "a watched generation")
        for load_name, figures in (await logged()).items():
            report.add("Midstream", load_name, figures)
    report.finish(options.json)


if __name__ == "__main__":
    uvloop.run(main())
