"""Somebody who asks beside the others, and for how much work of the server each answer waits."""

from __future__ import annotations

import threading
import time

from bench import cpu
from tests.mended.running import Running


class Beside:
    """Somebody who asks all the time whether the API lives.

    `longest` is the most seconds for which it worked until an answer came: of its processes' CPU, as on a busy machine
    an answer waits for others too.
    """

    def __init__(self, running: Running) -> None:
        self.longest = 0.0
        self._running = running
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._ended.is_set():
            began, used = time.monotonic(), cpu.used(self._running.process.pid)
            assert self._running.call("GET", "/livez").status == 200
            worked = cpu.used(self._running.process.pid) - used
            self.longest = max(self.longest, min(worked, time.monotonic() - began))

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
