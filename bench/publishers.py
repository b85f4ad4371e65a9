"""Those who make events for fan-out: clock texts with serial numbers, at a rate, for one or many generations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis

from shared.log.events import Completed, Delta, EventId, encode
from shared.log.guarded_log import Batch, Log, WriteOutcome
from shared.storage.keys import GenerationKeys

TICK = 0.002
"""Seconds between two turns at least, where many generations share the time between two events."""


def data(serial: int, padding: int = 0) -> bytes:
    """One event's JSON, made now; about 70 bytes and the padding."""
    text = f"@{time.time_ns() // 1000};#{serial};{'.' * padding}"
    return encode(Delta(part=0, kind="text", delta=text, t=serial * 20))


UNANSWERED = 20_000
"""Publications over HTTP that may wait for their answer."""


@dataclass(frozen=True)
class Made:
    """What was published."""

    events: int
    """For each generation; 0 where the server makes them itself."""
    late: float = 0.0
    """s by which the publisher fell behind at most."""


class Publisher(Protocol):
    """Publishes for the generations that it was made for."""

    async def publish(self, generations: Sequence[int], serial: int) -> None:
        """Make one event for each of these."""
        ...


class Appender:
    """Midstream's log as the append script leaves and publishes it, without its guards: what those cost is no part of
    fan-out, and is measured in `bench/capacity.py`.
    """

    def __init__(self, redis: Redis, ids: Sequence[str]) -> None:
        self._log, self._redis, self._ids = Log(redis), redis, ids
        self._logs = [GenerationKeys(id).log for id in ids]
        self._last: list[EventId] = []

    async def begin(self) -> None:
        """Claim every log."""
        for id in self._ids:
            claim = await self._log.claim(id, model="clock", provider="simulator", ttl_ms=3_600_000)
            assert claim.owned, claim.start
            self._last.append(EventId(claim.token, 0))

    async def publish(self, generations: Sequence[int], serial: int) -> None:
        """See `Publisher.publish`."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for number in generations:
                last, log, event = self._last[number], self._logs[number], data(serial)
                self._last[number] = following = EventId(last.token, last.seq + 1)
                pipe.xadd(log, {"delta": event}, id=str(following))
                pipe.publish(log, b"%d-%d %d-%d\ndelta\n%b" % (*last, *following, event))
            await pipe.execute()

    async def fill(self, events: int, padding: int = 0) -> None:
        """Give each log so many more events at once, in batches, and what comes after them is the next number's."""
        for at, id in enumerate(self._ids):
            for first in range(0, events, 500):
                last = self._last[at]
                batch = [("delta", data(number, padding)) for number in range(first, min(first + 500, events))]
                await self._append(at, Batch(id, last.token, 1, last, last.seq + 1, batch))

    async def finish(self, which: Sequence[int] | None = None) -> None:
        """Seal logs, all if not told which, with their end."""
        for at in range(len(self._ids)) if which is None else which:
            id, last = self._ids[at], self._last[at]
            end = encode(Completed(finish_reason="stop", raw_finish_reason="stop"))
            await self._append(at, Batch(id, last.token, 1, last, last.seq + 1, [("completed", end)]))

    def cursor(self, at: int, seq: int) -> str:
        """The id of an event of a log."""
        return f"{self._last[at].token}-{seq}"

    async def _append(self, at: int, batch: Batch) -> None:
        reply = await self._log.append(batch)
        if reply.outcome is not WriteOutcome.OK:
            raise RuntimeError(f"an append was answered {reply.outcome}")
        self._last[at] = batch.last


class ToRedis:
    """PUBLISH, or XADD, one command for each event, all of a turn in one round trip."""

    def __init__(self, redis: Redis, *, stream: bool) -> None:
        self._redis, self._stream = redis, stream

    async def publish(self, generations: Sequence[int], serial: int) -> None:
        """See `Publisher.publish`."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for number in generations:
                name, body = f"bench:{number}", data(serial)
                if self._stream:
                    pipe.xadd(name, {"data": body})
                else:
                    pipe.publish(name, body)
            await pipe.execute()


class OverHttp:
    """POST, pipelined on one connection: an event is made when it is due, however far behind the server is."""

    def __init__(self, port: int, path: str, *, keep: bool = True) -> None:
        self._port, self._path, self._keep = port, path, keep
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._unanswered = asyncio.Semaphore(UNANSWERED)

    async def publish(self, generations: Sequence[int], serial: int) -> None:
        """See `Publisher.publish`. Raises RuntimeError where one was refused."""
        if self._writer is None or not self._keep:
            if self._reading is not None:
                await self._reading
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._reading = asyncio.create_task(self._read(reader))
        for number in generations:
            if self._keep and self._reading is not None and self._reading.done():
                self._reading.result()
                raise RuntimeError("the server has closed the publisher's connection")
            await self._unanswered.acquire()
            body = self.body(number, serial)
            head = f"POST {self._path.format(number)} HTTP/1.1\r\nHost: bench\r\nX-Id: 1700000000000-{serial}\r\n"
            head += "X-EventSource-Event: delta\r\n"
            self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                await self._answered(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # `publish` says so, where there is more to publish
            self._unanswered.release()
            if not self._keep and self._writer is not None:
                self._writer.close()
                return

    def body(self, number: int, serial: int) -> bytes:
        """What is sent for one event."""
        return data(serial)

    async def _answered(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith((b"http/1.1 20", b"http/1.0 20")):
            raise RuntimeError(f"a publication was refused: {head[:40]!r}")
        _, found, rest = head.partition(b"content-length:")
        if found:
            await reader.readexactly(int(rest.split()[0]))
        elif b"chunked" in head:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()


async def keep_pace(publisher: Publisher, generations: int, rate: float, seconds: float) -> Made:
    """Publish `rate` events a second for each generation, in turns over the time."""
    turns = max(1, min(generations, int(1 / rate / TICK)))
    groups = [range(turn, generations, turns) for turn in range(turns)]
    events = int(rate * seconds)
    began = time.perf_counter()
    late = 0.0
    for number in range(events * turns):
        due = began + number / (rate * turns)
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        else:
            late = max(late, -wait)
        await publisher.publish(groups[number % turns], number // turns)
    return Made(events, late)
