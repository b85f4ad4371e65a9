"""What is measured, as processes of their own: a whole Midstream, and plain arq's worker on the same Valkey."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.processes import Process, Stack


class Measured(Stack):
    """A Midstream with its default settings; silent unless it fails."""

    arq_url: str
    """Another database of the same Valkey, as both use arq's job keys."""
    arq_worker: Process

    def __init__(self, folder: Path, *, concurrency: int) -> None:
        super().__init__(folder, environment={"MIDSTREAM_LEASE": "5", "MIDSTREAM_CONCURRENCY": str(concurrency)})
        self._concurrency = concurrency

    async def __aexit__(self, *raised: object) -> None:
        if self.arq_worker.running:
            await self.arq_worker.kill()
        await self._stop()
        if any(raised):
            self.show()
            self.arq_worker.show()

    async def _start(self) -> None:
        await super()._start()
        self.arq_url = f"{self.valkey.url.partition('?')[0]}?db=1"
        command = [sys.executable, "-m", "arq", "bench.plain_arq.WorkerSettings"]
        environment = {
            "BENCH_ARQ_URL": self.arq_url,
            "BENCH_SIMULATOR_URL": self.simulator_url,
            "BENCH_MAX_JOBS": str(self._concurrency),
        }
        self.arq_worker = Process("arq", command, r"redis_version", self.folder, environment)
        await self.arq_worker.start()


@asynccontextmanager
async def stack(concurrency: int) -> AsyncIterator[Measured]:
    """A running stack in a folder of its own; both workers run at most `concurrency` jobs."""
    with TemporaryDirectory(prefix="midstream-bench-") as folder:
        async with Measured(Path(folder), concurrency=concurrency) as running:
            yield running


class Connection:
    """One kept-alive HTTP/1.1 connection, on bare sockets: a client library's own time would be in every figure."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ready(self) -> None:
        """Connect, where the server has closed it, as it does after some seconds without a request."""
        if self._streams is None or self._streams[0].at_eof():
            await self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer, on a connection that is `ready`. Raises TimeoutError after 30 s."""
        assert self._streams is not None, "post() comes after ready()"
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        writer.write(head.encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(30.0):
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            length = next(int(line[15:]) for line in lines if line.lower().startswith("content-length:"))
            return int(status.split()[1]), await reader.readexactly(length)

    async def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None
