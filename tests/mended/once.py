"""A program that is not expected to come up, or whose limits are set: what it says, and with what it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.harness.ports import free_port
from tests.mended.running import environment, executable, until


class Program:
    """One start in a folder; `limits` are words of `ulimit`, as `-n 200`."""

    def __init__(self, folder: Path, *words: str, env: Mapping[str, str] | None = None, limits: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._log = folder / f"{words[0]}-{free_port()}.log"
        command = [executable(), *words]
        if limits:
            command = ["bash", "-c", f'ulimit {limits} && exec "$0" "$@"', *command]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(folder, **{"MIDSTREAM_PORT": str(free_port()), **(env or {})}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def says(self, text: str, seconds: float = 60.0) -> bool:
        """Whether it says this before it ends, and in so many seconds."""

        def over() -> bool:
            return text.lower() in self.output().lower() or self.process.poll() is not None

        with contextlib.suppress(AssertionError):
            until(over, seconds)
        return text.lower() in self.output().lower()

    def status(self, seconds: float = 20.0) -> int | None:
        """With what it ended; None where it runs on for so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def kill(self) -> None:
        """End it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


@contextlib.contextmanager
def program(folder: Path, *words: str, env: Mapping[str, str] | None = None, limits: str = "") -> Iterator[Program]:
    """One that is gone afterwards."""
    started = Program(folder, *words, env=env, limits=limits)
    try:
        yield started
    finally:
        started.kill()


def ended(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """The exit status, None where it runs on, and what was said."""
    with program(folder, *words, env=env) as started:
        return started.status(), started.output()
