"""Ends what was opened by a grant that has been withdrawn: a key that was revoked, a session that was ended."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from api.supervisor import logger
from api.viewing.hub import Hub
from shared.counted import counted

LOOK_S = 2.0
"""Seconds between two looks. With the 2 s for which a node believes what it knows of a key, a viewer that came in by a
key just before that was revoked is gone within 5 s."""

Ended = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Returns those of some grants that have ended (`Callers.ended`)."""


class Revocation:
    """Asks again and again which of the grants by which something is open have ended, and ends that."""

    def __init__(self, hub: Hub, ended: Ended, look_s: float = LOOK_S) -> None:
        self._hub, self._ended, self._look_s = hub, ended, look_s

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            await self.look()

    async def look(self) -> None:
        """Looks once."""
        granted = self._hub.granted
        if not granted.grants:
            return
        if cut := granted.end(await self._ended(list(granted.grants))):
            logger.info("cut %s, as what let them in has ended", counted(cut, "stream", "streams"))
