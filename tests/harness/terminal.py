"""A program on a terminal of its own: a pseudo-terminal (pty(7)), on which a test types and reads."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")
"""What a terminal obeys and does not show (ECMA-48)."""
DEADLINE_S = 30.0
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


class Terminal:
    """Runs a program on a terminal; `with` ends it. What it wrote is in `screen`, without control sequences."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._master, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"TERM": "xterm", "NO_COLOR": "1", "INPUTRC": "/dev/null"} | dict(environment),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            # Ctrl-C reaches only whose terminal it is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inside)
        self._written = b""
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, and the terminal."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def raw(self) -> str:
        """All that it wrote."""
        return self._written.decode(errors="replace")

    @property
    def screen(self) -> str:
        """All that it wrote, as it is read."""
        return CONTROL.sub("", self.raw)

    def type(self, text: str | bytes) -> None:
        """Press these keys."""
        os.write(self._master, text.encode() if isinstance(text, str) else text)

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it has written this, behind what was waited for before."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := re.compile(pattern).search(self.screen, self._at)) is None:
            assert self._read(deadline), f"{pattern!r} did not come: {self.screen[-2000:]!r}"
        self._at = found.end()
        return found

    def read(self, seconds: float) -> None:
        """Read what it writes for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read(deadline):
            pass

    def ended(self) -> int:
        """Wait for its end; the exit status."""
        deadline = time.monotonic() + DEADLINE_S
        while self._read(deadline):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            read = os.read(self._master, 65536) if ready else b""
        except OSError:
            # Linux' way to say that the last one has closed it.
            read = b""
        self._written += read
        return bool(read)
