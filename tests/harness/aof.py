"""The end of an append-only file: what a crash of the machine may take, as it was not synced yet."""

from __future__ import annotations

import random
import time
from collections import deque
from pathlib import Path

SYNCED = 1.0
"""Seconds of writes at the end of the file that a crash may take (AOF `everysec`)."""
SAMPLE = 0.05
"""Seconds between two looks at its length."""


class Tail:
    """Knows how long the append-only file of a data folder was a moment ago; `look` has to be called every SAMPLE."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._written: deque[tuple[float, Path, int]] = deque(maxlen=100)

    def look(self) -> None:
        """Note its length."""
        if path := self._file():
            self._written.append((time.time(), path, path.stat().st_size))

    def cut(self, killed_at: float, chance: random.Random) -> int:
        """Take 5 to 200 kB off, and no more than the last second before `killed_at` wrote; gives how many bytes."""
        path = self._file()
        written = [(at, size) for at, file, size in self._written if file == path]
        if path is None or not written:
            return 0
        # Of what is not known for so long, the oldest length was synced at the earliest.
        synced = max((size for at, size in written if at < killed_at - SYNCED), default=written[0][1])
        size = path.stat().st_size
        kept = max(size - chance.randint(5_000, 200_000), synced)
        with path.open("r+b") as file:
            file.truncate(min(kept, size))
        return max(size - kept, 0)

    def _file(self) -> Path | None:
        files = self._data_dir.glob("appendonlydir/*.incr.aof")
        return max(files, key=lambda path: int(path.name.split(".")[-3]), default=None)
