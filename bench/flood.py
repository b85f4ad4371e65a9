"""One owner floods: what another waits for its first token, and how late what runs is sent meanwhile.

    python -m bench.flood [--requests 1000] [--singles 50] [--concurrency 20] [--json FILE]

Two owners on one API and one worker. The first sends slow requests that never end here, many more than there are
places, and holds every place that it may (`max_share`). The second sends single requests, one after the other: from the
POST to the first delta at its socket. A few of the flood's streams are watched, and beside each its channel: from when
Redis publishes an append to when the viewer has it. What is promised: the median with the flood is at most twice the
median without it, and the p99 of that.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from bench.arguments import parser
from bench.results import Report
from shared.storage.connections import connect
from shared.storage.keys import GenerationKeys, line_key, running_key
from tests.harness.processes import Stack

KEYS = {"flood": "flood-0123456789abcdef", "single": "single-0123456789abcdef"}
SLOW = "simulator/lorem?deltas=1000000&rate=5"
SINGLE = "simulator/lorem?deltas=1&rate=0"
WATCHED = 5
"""Streams of the flood that are watched."""
PAUSE_S = 0.05
"""Seconds between two single requests: all that runs meanwhile is the flood's."""
POSTS_AT_ONCE = 8


class Client:
    """One owner's requests, each on a socket of its own: a client library's time would be in every figure."""

    def __init__(self, port: int, owner: str) -> None:
        self._port = port
        self._key = KEYS[owner]

    @asynccontextmanager
    async def send(self, head: str, body: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
        """A request, and the reader of its answer behind the head."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            lines = [head, "Host: localhost", f"Authorization: Bearer {self._key}"]
            if body:
                lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.split()[1] in (b"200", b"202"), answer
            yield reader
        finally:
            writer.transport.abort()

    async def ask(self, model: str) -> str:
        """Asks for a generation that nobody waits for; its id."""
        async with self.send("POST /v1/generations HTTP/1.1\r\nConnection: close", _body(model)) as reader:
            found: str = json.loads((await reader.read()).strip())["id"]
            return found

    async def first_delta(self, model: str) -> float:
        """Seconds from a POST for a stream to its first delta."""
        began = time.perf_counter()
        head = "POST /v1/generations HTTP/1.1\r\nAccept: text/event-stream"
        async with self.send(head, _body(model)) as reader:
            while (await reader.readline()).strip() != b"event: delta":
                pass
            seconds = time.perf_counter() - began
            while not (await reader.readline()).startswith(b"event: completed"):
                pass
            return seconds

    async def watch(self, generation_id: str, seen: dict[str, float]) -> None:
        """Notes when each event of a generation came, until cancelled."""
        async with self.send(f"GET /v1/generations/{generation_id}/events HTTP/1.1") as reader:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    seen[line[4:].strip().decode()] = time.perf_counter()


def _body(model: str) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "Go."}]}).encode()


async def listen(redis: Any, generation_ids: Sequence[str], published: dict[str, float]) -> None:
    """Notes when Redis published each event, by the id of the first in a publication; until cancelled."""
    async with redis.pubsub() as channel:
        await channel.subscribe(*(GenerationKeys(i).channel for i in generation_ids))
        async for message in channel.listen():
            if message["type"] == "message":
                first = message["data"].partition(b"\n")[0].split(b" ")[-1]
                published[first.decode()] = time.perf_counter()


async def singles(client: Client, count: int) -> list[float]:
    """Seconds to the first delta of requests that are sent one after the other."""
    found = []
    for _ in range(count):
        found.append(await client.first_delta(SINGLE))
        await asyncio.sleep(PAUSE_S)
    return found


async def flood(client: Client, count: int) -> None:
    """Sends all requests, a few at a time."""
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await client.ask(SLOW)

    await asyncio.gather(*(some() for _ in range(POSTS_AT_ONCE)))


async def until_full(redis: Any, share: int) -> list[str]:
    """Waits until the flood holds every place that it may; the ids of what runs."""
    async with asyncio.timeout(60):
        while len(running := await redis.smembers(running_key("flood"))) < share:  # noqa: ASYNC110  # in another process
            await asyncio.sleep(0.05)
    assert len(running) == share, f"{len(running)} run"
    return sorted(one.decode() for one in running)


async def measure(requests: int, count: int, concurrency: int) -> dict[str, float]:
    """One run."""
    environment = {
        "MIDSTREAM_API_KEYS": ",".join(f"{owner}:{key}" for owner, key in KEYS.items()),
        "MIDSTREAM_CONCURRENCY": str(concurrency),
        "MIDSTREAM_LEASE": "5",
    }
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(TemporaryDirectory(prefix="midstream-bench-"))
        stack = await opened.enter_async_context(Stack(Path(folder), environment=environment))
        redis: Any = connect(stack.valkey.url, timeout=5)
        opened.push_async_callback(redis.aclose)
        one, other = Client(stack.apis[0].port, "flood"), Client(stack.apis[0].port, "single")
        await asyncio.sleep(6)  # a worker holds off for a lease after Redis has started
        await singles(other, 10)  # what a first request imports and connects is not part of it
        without = await singles(other, count)
        await flood(one, requests)
        running = await until_full(redis, int(concurrency * 0.8))
        published: dict[str, float] = {}
        seen: dict[str, float] = {}
        watching = [asyncio.create_task(listen(redis, running[:WATCHED], published))]
        watching += [asyncio.create_task(one.watch(i, seen)) for i in running[:WATCHED]]
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        beside = await singles(other, count)
        waiting = await redis.zcard(line_key("flood"))
        for task in watching:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    sent = sorted(max(0.0, seen[i] - at) for i, at in published.items() if at > began and i in seen)
    p99 = sent[int(len(sent) * 0.99)]
    return {
        "without, median ms": median(without) * 1000,
        "with, median ms": median(beside) * 1000,
        "with, max ms": max(beside) * 1000,
        "append to send, p99 ms": p99 * 1000,
        "at most ms": (2 * median(without) + p99) * 1000,
        "events": len(sent),
        "running": len(running),
        "waiting": waiting,
    }


async def main() -> int:
    arguments = parser(__doc__, rounds=1)
    for name, default in (("requests", 1000), ("singles", 50), ("concurrency", 20)):
        arguments.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    options = arguments.parse_args()
    asked = {name: getattr(options, name) for name in ("requests", "singles", "concurrency")}
    report = Report("flood", asked | {"rounds": options.rounds})
    kept = True
    for _ in range(options.rounds):
        report.begin()
        figures = await measure(options.requests, options.singles, options.concurrency)
        report.add("Midstream", "one owner floods", figures)
        kept &= figures["with, median ms"] <= figures["at most ms"]
    report.finish(options.json)
    print("the promise was kept" if kept else "the promise was BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(uvloop.run(main()))
