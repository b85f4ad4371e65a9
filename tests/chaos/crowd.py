"""A crowd of callers without a key to anything: hostile ones, or as many harmless ones of as many bytes.

`python -m tests.chaos.crowd hostile|harmless GENERATION HOST:PORT …` runs until it is ended, in a process of its own,
so that what it costs itself slows nobody that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

BODY = 300_000
HEAD = 60_000
"""Bytes of a large body, and of a large head."""
HALVES, IDLE, FEW = 100, 1_000, 8
"""Connections of each kind to each API."""
PACE = 0.5
"""Seconds between two requests of one caller."""
SILENCE = 12.0
"""Seconds for which a caller is silent: longer than a head may take."""

LINE = "{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
JSON = "Content-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """An API, and a generation that has ended there."""

    host: str
    port: int
    generation: str

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. Raises OSError and TimeoutError."""
        async with asyncio.timeout(SILENCE):
            return await asyncio.open_connection(self.host, self.port)

    async def ask(self, request: bytes, *, read: bool = True) -> None:
        """One request on a connection of its own, and what comes of it unless it is cut at once."""
        _, writer = streams = await self.connect()
        try:
            async with asyncio.timeout(SILENCE):
                writer.write(request)
                await writer.drain()
                if read:
                    await streams[0].read(200)
        finally:
            writer.transport.abort()


Caller = Callable[[Place, bool], Awaitable[None]]
"""What one caller does once; whether as a hostile one."""


def _post(body: str, *fields: str) -> bytes:
    head = LINE.format(method="POST", path="/v1/generations") + JSON + "".join(f"{field}\r\n" for field in fields)
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _question(content: object) -> str:
    return json.dumps({"model": "nobody/none", "messages": [{"role": "user", "content": content}]})


# Made once: what the crowd spends itself, it takes from the honest ones on the same machine.
_BODIES = {True: _post(_question([{}] * (BODY // 4))), False: _post(_question("x" * BODY))}


async def bodies(place: Place, hostile: bool) -> None:
    """As many values as bytes allow, or one text."""
    await place.ask(_BODIES[hostile])


async def heads(place: Place, hostile: bool) -> None:
    """As many fields as bytes allow, or one that is long."""
    fields = "a:\r\n" * (HEAD // 4) if hostile else f"X: {'y' * HEAD}\r\n"
    await place.ask((LINE.format(method="GET", path="/livez") + fields + "\r\n").encode())


async def halves(place: Place, hostile: bool) -> None:
    """Half a head or body and silence, or a request and silence."""
    whole = (
        _post(_question("hi")) if random.random() < 0.5 else LINE.format(method="GET", path="/livez").encode() + b"\r\n"
    )
    await _stay(place, whole[: len(whole) // 2] if hostile else whole)


async def idle(place: Place, hostile: bool) -> None:
    """Silence from the first moment on, or after a request."""
    await _stay(place, b"" if hostile else (LINE.format(method="GET", path="/livez") + "\r\n").encode())


async def upgrades(place: Place, hostile: bool) -> None:
    """A POST that offers what nobody takes, or a field of as many bytes."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
    await place.ask(_post(_question("hi"), *(offer if hostile else ("X-Not-An-Offer: " + "y" * 60,))))


async def storm(place: Place, hostile: bool) -> None:
    """Viewers who come and are cut at once, with cursors that nobody gave out, or who stay for a moment."""
    cursor = f"Last-Event-ID: {random.randrange(10**13)}-7\r\n" if hostile else ""
    path = f"/v1/generations/{place.generation}/events"
    await place.ask((LINE.format(method="GET", path=path) + cursor + "\r\n").encode(), read=not hostile)


CALLERS: dict[Caller, int] = {bodies: FEW, heads: FEW, halves: HALVES, idle: IDLE, upgrades: FEW, storm: FEW * 4}
"""What there is of each, at each API."""


async def _stay(place: Place, sent: bytes) -> None:
    reader, writer = await place.connect()
    try:
        writer.write(sent)
        async with asyncio.timeout(SILENCE * random.uniform(1, 2)):
            while await reader.read(1000):
                pass
    finally:
        writer.transport.abort()


async def _again_and_again(caller: Caller, place: Place, hostile: bool) -> None:
    await asyncio.sleep(random.uniform(0, PACE * 4))  # they do not come all at once
    while True:
        # To be refused, cut or kept waiting is what it came for.
        with contextlib.suppress(OSError, TimeoutError):
            await caller(place, hostile)
        await asyncio.sleep(PACE * random.uniform(0.5, 1.5))


async def run(places: Sequence[Place], *, hostile: bool) -> None:
    """All of them, for ever."""
    async with asyncio.TaskGroup() as group:
        for place, (caller, number) in itertools.product(places, CALLERS.items()):
            for _ in range(number):
                group.create_task(_again_and_again(caller, place, hostile))


def main(words: Sequence[str]) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crowd", description=__doc__)
    parser.add_argument("kind", choices=("hostile", "harmless"))
    parser.add_argument("generation")
    parser.add_argument("addresses", nargs="+")
    asked = parser.parse_args(words)
    parted = [address.rpartition(":") for address in asked.addresses]
    places = [Place(host, int(port), asked.generation) for host, _, port in parted]
    asyncio.run(run(places, hostile=asked.kind == "hostile"))


if __name__ == "__main__":
    main(sys.argv[1:])
