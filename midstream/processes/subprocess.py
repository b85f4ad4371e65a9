"""Processes of our own: each is started, its output named, restarted when it dies and ended in order."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from midstream.errors import StartError
from midstream.processes.parent_death import ending_with_parent
from midstream.processes.ready_socket import ReadySocket
from shared.backoff import Backoff
from shared.one_line import escaped
from shared.process import json_lines
from shared.process.readiness import NOTIFY_VARIABLE

FIRST_PAUSE_S = 0.2
LAST_PAUSE_S = 10.0
# A process that ran this long had come up: its next death is news and not one more of a series.
STEADY_AFTER_S = 10.0
# Ends in a row before a child was ever ready, after which it is not started again.
MAX_STARTS = 5
# Longest line that is relayed in one piece, in bytes.
MAX_LINE_BYTES = 65_536
EXIT_CONFIGURATION_ERROR = 2


class Member(Protocol):
    """What a supervisor keeps running."""

    name: str

    async def start(self) -> None: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


class Subprocess:
    """One command as a child process. It ends with us; its output goes to stderr, each line with its name.

    `stop_timeout` is the seconds between SIGTERM and SIGKILL. `ready` is set when it has come to do its work for the
    first time: by the child itself where it `says_ready` (shared/process/readiness.py), else by who asks it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stop_timeout: float = 5.0,
        says_ready: bool = False,
    ) -> None:
        self.name = name
        self.says_ready = says_ready
        self.ready = asyncio.Event()
        self._ready_socket: ReadySocket | None = None
        self._command = ending_with_parent(command)
        self._environment = dict(environment)
        self._stop_timeout = stop_timeout
        self._process: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Returns the process id of the latest start. Raises RuntimeError where there was none."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    async def start(self, sockets: Path | None = None) -> None:
        """Starts the process, and returns at once. The first time, `sockets` is where one for its `ready` may be made.

        Raises StartError where the machine refuses.
        """
        # Ours, if we have one, is for us to write to.
        environment = {name: value for name, value in self._environment.items() if name != NOTIFY_VARIABLE}
        try:
            if self.says_ready and sockets is not None:
                self._ready_socket = await ReadySocket.open(sockets / self.name, self._came_up)
            if self._ready_socket is not None and not self.ready.is_set():
                environment[NOTIFY_VARIABLE] = str(self._ready_socket.path)
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                # Ctrl-C in a terminal reaches the whole group; who ends when is for the supervisor to say.
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(f"cannot start {self.name}: {error.strerror}; free memory or processes") from None
        assert self._process.stdout is not None
        self._relay = asyncio.create_task(self._relay_lines(self._process.stdout))

    async def wait(self) -> int:
        """Returns the exit status, when the process ends; negative is the signal that ended it."""
        assert self._process is not None, "wait() comes after start()"
        assert self._relay is not None
        status = await self._process.wait()
        # The last lines say why it died. A child of its own may hold the pipe open, so not for ever.
        await asyncio.wait([self._relay], timeout=1.0)
        self._relay.cancel()
        return status

    async def stop(self) -> None:
        """Ends it by SIGTERM, and by SIGKILL after `stop_timeout`; returns when the process is gone."""
        if self._ready_socket is not None:
            self._ready_socket.close()
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(self._stop_timeout):
                await self.wait()
        except TimeoutError:
            say(f"{self.name} did not end within {self._stop_timeout:.0f} s and is killed")
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """Kills it by SIGKILL, where it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _came_up(self) -> None:
        self.ready.set()
        assert self._ready_socket is not None
        self._ready_socket.close()

    async def _relay_lines(self, output: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await output.read(MAX_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                say(line.decode(errors="replace"), self.name)
        if rest:
            say(rest.decode(errors="replace"), self.name)


async def keep(
    member: Member,
    *,
    first_pause_s: float = FIRST_PAUSE_S,
    last_pause_s: float = LAST_PAUSE_S,
    steady_after_s: float = STEADY_AFTER_S,
) -> None:
    """Starts a started member again whenever it dies, with back-off and jitter, until cancelled.

    Raises StartError where it ended with the exit code of a configuration error, which no restart heals, and where a
    child ended some times in a row; but not for a child that was ever ready: what it lacks may come back.
    """
    backoff = Backoff(first_pause_s, last_pause_s)
    failures = 0
    while True:
        began = time.monotonic()
        end = f"ended with status {(status := await member.wait())}"
        was_ready = isinstance(member, Subprocess) and member.ready.is_set()
        if status == EXIT_CONFIGURATION_ERROR and not was_ready:
            raise StartError(f"{member.name} refused its configuration; its last line says what to correct")
        if time.monotonic() - began > steady_after_s:
            backoff.reset()
        failures += 1
        if failures == MAX_STARTS and isinstance(member, Subprocess) and not was_ready:
            raise StartError(f"{member.name} ended {MAX_STARTS} times before it was ready; its last lines say why")
        while True:
            wait = next(backoff)
            say(f"{member.name} {end}; starting it again in {wait:.1f} s")
            await asyncio.sleep(wait)
            try:
                await member.start()
            except StartError as error:
                end = f"did not start: {error}"
            else:
                break


def say(line: str, name: str = "up") -> None:
    """Writes one line to stderr, with the name of who speaks."""
    told = json_lines.relayed(line, name) if json_lines.wanted() else f"{name:>9} | {escaped(line)}"
    # A closed stderr must not end what we supervise.
    with contextlib.suppress(OSError, ValueError):
        print(told, file=sys.stderr, flush=True)
