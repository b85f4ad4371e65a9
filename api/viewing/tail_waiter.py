"""Waits for what a tail is told, without a viewer: that its log is read, or has its end."""

import asyncio
from collections.abc import Callable, Mapping

from api.viewing.tail import Tail


class TailWaiter:
    """A follower of a tail's broadcast that writes nothing."""

    def __init__(self, tail: Tail) -> None:
        self.position: int | None = None
        self._tail = tail
        self._woken = asyncio.Event()

    async def until(self, met: Callable[[], bool]) -> None:
        """Waits until this is so, which is asked whenever the tail has more."""
        self._tail.broadcast.followers.add(self)
        try:
            while not met():
                await self._woken.wait()
                self._woken.clear()
        finally:
            self._tail.broadcast.followers.discard(self)

    def advance(self) -> None:
        self._woken.set()

    def take(self, chunks: Mapping[int | None, bytes], end: int, now: float) -> None:
        self._woken.set()

    def cut(self) -> None:
        self._woken.set()

    def rewind(self) -> None:
        self._woken.set()
