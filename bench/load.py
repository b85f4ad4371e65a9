"""The load: event streams that are opened, read and checked by a C program (`sse_load.c`), compiled when it is needed.

It is C because half a million events a second are to be read on one core, which Python cannot.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bench.cpu import LOAD_CORE, on_core
from bench.environments import Unavailable
from midstream.processes.parent_death import ending_with_parent

SOURCES = Path(__file__).parent
SPARE_FILES = 500
"""Open files that a server or the load needs beside those of the streams."""


@cache
def compiled(name: str) -> Path:
    """The program made of `bench/<name>.c`. Raises SystemExit where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("bench: no C compiler; on Debian: apt-get install gcc libc6-dev")
    folder = Path(mkdtemp(prefix="midstream-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / name
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCES / f"{name}.c")], check=True, timeout=60)
    return program


def get(path: str, cursor: str = "") -> bytes:
    """A request for an event stream."""
    resume = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{resume}\r\n".encode()


def post(path: str, body: Any, accept: str = "text/event-stream", headers: str = "") -> bytes:
    """A request with a JSON body."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def form(path: str, fields: str) -> bytes:
    """A request with a form as its body, encoded already."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}Content-Length: {len(fields)}\r\n\r\n{fields}".encode()


class Load:
    """Streams that are open. `window` begins and ends what is counted; `report` waits for the end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    async def ready(self, seconds: float = 60.0) -> None:
        """Wait until each stream has been answered. Raises TimeoutError; RuntimeError where it has ended."""
        async with asyncio.timeout(seconds):
            line = await self._line()
        if line != b"ready\n":
            raise RuntimeError(f"the load ended before all streams were answered: {line.decode()[:1000]}")

    def window(self) -> None:
        """Begin the window; called again, end it."""
        self._process.send_signal(signal.SIGUSR1)

    async def report(self, seconds: float, *, stop: bool = False) -> dict[str, Any]:
        """Its figures, when all streams are over or, with `stop`, at once. Raises TimeoutError."""
        if stop:
            self.stop()
        async with asyncio.timeout(seconds):
            while (line := await self._line()) == b"ready\n":
                pass
            await self._process.wait()
        figures: dict[str, Any] = json.loads(line)
        return figures

    def stop(self) -> None:
        """Let it report now, whatever is still open."""
        if self._process.returncode is None:
            self._process.terminate()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.readline()


@asynccontextmanager
async def load(port: int, requests: Sequence[bytes], *, folder: Path, **options: int) -> AsyncIterator[Load]:
    """Open streams: viewer i sends request i modulo their number. The options are those of `sse_load.c`.

    Raises Unavailable where no process may open that many files.
    """
    viewers, (_, allowed) = options.get("viewers", 1), resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != allowed < viewers + SPARE_FILES:
        raise Unavailable(f"{viewers} streams need more than the {allowed} open files that this machine allows")
    file = folder / "requests"
    file.write_bytes(b"".join(b"%d\n%b" % (len(request), request) for request in requests))
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = ending_with_parent([str(compiled("sse_load")), "127.0.0.1", str(port), str(file), *words], signal.SIGKILL)
    with on_core(LOAD_CORE):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr, limit=1 << 20
        )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
