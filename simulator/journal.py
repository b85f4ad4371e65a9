"""What the simulator saw, for tests and benchmarks: never what was said."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

How = Literal["complete", "fault", "client_left", "refused"]
Action = Literal["generate", "retrieve", "cancel", "delete"]

MAX_ENTRIES: Final = 10_000


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class JournalEntry:
    """One request. Times are microseconds since the epoch; None has not happened (yet)."""

    n: int
    protocol: str
    model: str
    key: str
    received_us: int
    """When headers and body were read."""
    first_write_us: int | None = None
    """When the first delta was written."""
    deltas: int = 0
    """Deltas written."""
    prefix: int = 0
    """Characters of the answer that the request began with, and that were not generated again."""
    ended_us: int | None = None
    how: How | None = None
    action: Action = "generate"
    response_id: str | None = None
    """Of a background response; None for other requests."""
    generated: int | None = None
    """Deltas made so far by the background run that this request began; None where it began none."""

    def end(self, how: How) -> None:
        self.ended_us = now_us()
        self.how = how


class Journal:
    """The last 10,000 requests, oldest first; numbers go on counting after a clear."""

    def __init__(self) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._count = 0

    def open(
        self, protocol: str, model: str, key: str, action: Action = "generate", response_id: str | None = None
    ) -> JournalEntry:
        self._count += 1
        entry = JournalEntry(self._count, protocol, model, key, now_us(), action=action, response_id=response_id)
        self._entries.append(entry)
        return entry

    def rows(self, key: str | None = None) -> list[dict[str, Any]]:
        """All entries, or those of the requests whose model name carries `key`."""
        return [asdict(entry) for entry in self._entries if key is None or entry.key == key]

    def clear(self, key: str | None = None) -> None:
        kept = [] if key is None else [entry for entry in self._entries if entry.key != key]
        self._entries = deque(kept, maxlen=MAX_ENTRIES)
