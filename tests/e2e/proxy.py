"""A TCP proxy that cuts connections, and knows what was asked over them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import httpx2


class CuttingProxy:
    """Forwards bytes as they are. The first connections are each cut, without a word, after so many bytes of answer.

    `requests` are the heads that passed, oldest first: header names in lower case, and the path under `path`.
    """

    def __init__(self, target: str, cuts: Iterable[int]) -> None:
        self._target = httpx2.URL(target)
        self._cuts = list(cuts)
        self.requests: list[dict[str, str]] = []
        self.url = ""

    @property
    def left(self) -> int:
        """Cuts that have not been made."""
        return len(self._cuts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        # A connection for which nobody asks takes none of the cuts.
        if not (first := await reader.read(65_536)):
            writer.close()
            return
        limit = self._cuts.pop(0) if self._cuts else None
        up_reader, up_writer = await asyncio.open_connection(self._target.host, self._target.port)
        asking = asyncio.create_task(self._ask(first, reader, up_writer))
        try:
            await _answer(up_reader, writer, limit)
        except OSError:
            return
        finally:
            asking.cancel()
            for side in (writer, up_writer):
                side.transport.abort()
            await asyncio.wait([asking])

    async def _ask(self, data: bytes, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        pending = b""
        with contextlib.suppress(OSError):
            while data:
                # Requests without a body: each blank line ends one.
                *heads, pending = (pending + data).split(b"\r\n\r\n")
                self.requests += [_head(head) for head in heads]
                upstream.write(data)
                await upstream.drain()
                data = await reader.read(65_536)
            upstream.write_eof()


async def _answer(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> None:
    while data := await upstream.read(65_536 if limit is None else min(limit, 65_536)):
        writer.write(data)
        await writer.drain()
        if limit is not None:
            limit -= len(data)
            if limit == 0:
                # What was written leaves before the connection is torn down.
                while writer.transport.get_write_buffer_size():
                    await asyncio.sleep(0)
                return


def _head(head: bytes) -> dict[str, str]:
    request, *fields = head.decode("latin-1").split("\r\n")
    headers = (field.partition(":") for field in fields)
    return {"path": request.split()[1]} | {name.lower(): value.strip() for name, _, value in headers}


@contextlib.asynccontextmanager
async def cutting(target: str, cuts: Iterable[int] = ()) -> AsyncIterator[CuttingProxy]:
    """A proxy in front of `target` on a free port."""
    proxy = CuttingProxy(target, cuts)
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            for task in serving:
                task.cancel()
            if serving:
                await asyncio.wait(serving)
