"""CPU of a piece of an answer that holds one delta, from the socket to the decoded event, by what the SDKs send over.

    python -m bench.transport [--rounds 3] [--json FILE]

100 answers at 50 pieces/s, each piece a chunk of its own that comes alone, as a provider's deltas do. CPU is that of
this process; the answers are made by another one. The adapters' part of a delta is measured by `bench/providers.py`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import httpx2
import uvloop
from msgspec import UNSET, UnsetType

from bench.arguments import parser
from bench.cpu import SERVER_CORE, pin
from bench.results import Figures, Report
from bench.rounds import alternate
from shared.sse_decoder import ServerSentEvent
from worker.providers import http_client, stream
from worker.providers.call_times import CALL_TIMES
from worker.providers.finish_reasons import Finish
from worker.providers.provider import ProviderError, ProviderEvent

ANSWERS, PIECES, RATE = 100, 250, 50
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello there"},"finish_reason":null}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Counter:
    """A reader (`worker.providers.answer_reading.AnswerReader`) that only counts."""

    def __init__(self) -> None:
        self.ended = False
        self.finish_reason = Finish()
        self.request_id: str | UnsetType = UNSET
        self.events = 0

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        self.events += 1

    def done(self, events: list[ProviderEvent]) -> None:
        self.ended = True

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        self.ended = True


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD)
    began = time.perf_counter()
    for number in range(PIECES):
        writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
        await asyncio.sleep(max(0.0, began + (number + 1) / RATE - time.perf_counter()))
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    writer.close()


def _serve(ready: Connection) -> None:
    async def forever() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, backlog=ANSWERS)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(forever())


def httpx2s() -> httpx2.AsyncClient:
    """The client with httpx2's own transport."""
    return httpx2.AsyncClient(timeout=CALL_TIMES.timeout, limits=http_client.CONNECTION_LIMITS)


CLIENTS: dict[str, Callable[[], httpx2.AsyncClient]] = {
    "aiohttp": lambda: http_client.http_client("http://127.0.0.1"),
    "httpx2": httpx2s,
}


async def measure(make: Callable[[], httpx2.AsyncClient], port: int) -> Figures:
    """One run."""
    async with make() as client:

        async def send() -> httpx2.Response:
            return await client.send(client.build_request("GET", f"http://127.0.0.1:{port}/"), stream=True)

        async def one(number: int) -> int:
            await asyncio.sleep(number / ANSWERS / RATE)
            counter = Counter()
            async for _ in stream.follow("bench", send, counter):
                pass
            return counter.events

        before = time.process_time()
        counted = sum(await asyncio.gather(*map(one, range(ANSWERS))))
        used = time.process_time() - before
    if counted != ANSWERS * PIECES:
        raise RuntimeError(f"{counted} of {ANSWERS * PIECES} events came")
    return {"CPU µs/piece": used / counted * 1e6}


async def main() -> None:
    options = parser(__doc__, subjects=list(CLIENTS)).parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    port = await asyncio.to_thread(ours.recv)
    pin(server.pid or 0, SERVER_CORE)
    report = Report("transport", {"answers": ANSWERS, "pieces": PIECES, "rate": RATE, "rounds": options.rounds})

    async def one(name: str) -> None:
        try:
            report.add(name, "one piece", await measure(CLIENTS[name], port))
        except ProviderError as error:
            raise RuntimeError(error.code) from None

    await alternate(report, options.only or list(CLIENTS), options.rounds, one, "one piece")
    report.finish(options.json)
    server.terminate()


if __name__ == "__main__":
    uvloop.run(main())
