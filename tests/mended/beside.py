"""Somebody who asks beside the others, and how long that takes."""

from __future__ import annotations

import threading
import time

from tests.mended.running import Running


class Beside:
    """Somebody who asks all the time whether the API lives; `longest` is the most seconds that it took."""

    def __init__(self, running: Running) -> None:
        self.longest = 0.0
        self._running = running
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            assert self._running.call("GET", "/livez").status == 200
            self.longest = max(self.longest, time.monotonic() - began)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
