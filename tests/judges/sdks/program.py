"""A client's program as a child: it takes tasks as lines of JSON and answers each with a line of what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

Seen = dict[str, Any]
"""What a client made of one task: `text`, `reasoning`, `calls`, `ended`, `error`, and what else its program tells."""

LONGEST = 2**24


class Program:
    """Several tasks run in it at once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Seen]] = {}
        self._reading = asyncio.create_task(self._read())

    async def does(self, task: dict[str, Any], seconds: float) -> Seen:
        """What it saw. Raises TimeoutError where that does not end, RuntimeError where the program has ended."""
        if self._reading.done():
            raise RuntimeError("the client's program has ended")
        number = next(self._numbers)
        waiting = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task | {"n": number}).encode() + b"\n")
        return await asyncio.wait_for(waiting, seconds)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            seen = json.loads(line)
            waiting = self._answers.pop(seen["n"])
            if not waiting.done():
                waiting.set_result(seen)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(RuntimeError("the client's program has ended"))

    async def end(self) -> None:
        """No more tasks."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


@contextlib.asynccontextmanager
async def running(command: Sequence[str], folder: Path, output: Path) -> AsyncIterator[Program]:
    """The program, until the block ends; what it and its client print is in `output`."""
    # No proxies and no keys of this machine, and an interpreter that finds nothing of ours.
    environment = {"PATH": os.environ["PATH"], "HOME": str(output.parent), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
    with output.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            limit=LONGEST,
        )
    program = Program(process)
    try:
        yield program
    finally:
        await program.end()
