"""Looks at generations, shared: of thousands who come back to one at once, each would ask Redis the same."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.generations.watchable import Watchable


class Looks:
    """Looks at generations; who asks for one while it is being looked at has the next look, with all who ask meanwhile.

    So nobody is told how it stood before it was asked for.
    """

    def __init__(self, read: Callable[[str], Awaitable[Watchable]]) -> None:
        self._read = read
        self._running: dict[str, asyncio.Future[None]] = {}
        """Ends of the looks that have begun, by the generation's id."""
        self._next: dict[str, asyncio.Task[Watchable]] = {}
        """Looks that have not begun."""

    async def look(self, generation_id: str) -> Watchable:
        """Returns how a generation stands. Raises redis.exceptions.RedisError."""
        following = self._next.get(generation_id)
        if following is None:
            running = self._running.get(generation_id)
            if running is None:
                return await self._look(generation_id)
            following = self._next[generation_id] = asyncio.create_task(self._after(running, generation_id))
            following.add_done_callback(_noted)
        return await asyncio.shield(following)

    async def _after(self, running: asyncio.Future[None], generation_id: str) -> Watchable:
        await running
        del self._next[generation_id]
        return await self._look(generation_id)

    async def _look(self, generation_id: str) -> Watchable:
        end = self._running[generation_id] = asyncio.get_running_loop().create_future()
        try:
            return await self._read(generation_id)
        finally:
            if self._running.get(generation_id) is end:
                del self._running[generation_id]
            end.set_result(None)


def _noted(look: asyncio.Task[Watchable]) -> None:
    # Each who waits gets the error; where nobody waits any more, it is nobody's.
    if not look.cancelled():
        look.exception()
