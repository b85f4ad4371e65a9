"""How the main thread is woken: by threads that have something for it, and by Ctrl-C."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self


class Bell:
    """Any thread rings it; the main one waits for it, and for files that can be read."""

    def __init__(self) -> None:
        self._heard, self._rung = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._rung, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread may ring until the process ends.
        rung, self._rung = self._rung, -1
        os.close(rung)
        os.close(self._heard)

    def ring(self) -> None:
        """Ends the wait, or the next one. A full pipe has been rung, and a closed one hears nothing."""
        with suppress(OSError):
            os.write(self._rung, b"\0")

    def wait(self, *files: int) -> list[int]:
        """Returns those of the files that can be read, once there is one or the bell was rung."""
        ready, _, _ = select.select([self._heard, *files], [], [])
        if self._heard in ready:
            with suppress(BlockingIOError):
                os.read(self._heard, 65536)
        return [file for file in ready if file != self._heard]

    @contextmanager
    def at_ctrl_c(self) -> Iterator[Callable[[], bool]]:
        """Has Ctrl-C ring, and gives what says whether it was pressed. The second time it is KeyboardInterrupt."""
        pressed = False

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            nonlocal pressed
            if pressed:
                # Somebody does not wait for a terminal that takes nothing.
                raise KeyboardInterrupt
            pressed = True
            self.ring()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield lambda: pressed
        finally:
            signal.signal(signal.SIGINT, before)
