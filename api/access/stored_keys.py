"""API keys that `midstream keys` made, as an API node knows them: looked up in Redis, and believed for 2 s.

Where Redis does not answer, a key that was good within the last minutes is taken on, so that its streams resume; one
that is not known is no reason to say 401, as nobody has said that it is wrong.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from time import time

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.access.caller import Caller
from shared.access.key_store import KeyStore
from shared.access.stored_key import KeyName, StoredKey, looks_like_key

GRANT = "key:"
BELIEVED_S = 2.0
"""Seconds for which what Redis said of a key is believed."""
AWAY_S = 600.0
"""Seconds for which a good key is taken on while Redis does not answer."""
LOOK_TIMEOUT_S = 2.0
"""Seconds in which Redis must say what it has of a key."""
MAX_GOOD = 10_000
MAX_WRONG = 1_000
"""Keys that are remembered, so that who tries many makes nobody else forget any, and takes no memory."""
NOTE_EACH_S = 60.0
"""Seconds after which a key's use is noted again."""
NOTE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    found: StoredKey | None
    at: float
    """The loop's time at which Redis said so."""


@dataclass(frozen=True, slots=True)
class _Look:
    began: float
    task: asyncio.Task[_Known]


class StoredKeys:
    """Reads the keys of a store. `run` is a task that notes their uses, off the way of requests."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._good: OrderedDict[KeyName, _Known] = OrderedDict()
        self._wrong: OrderedDict[KeyName, _Known] = OrderedDict()
        self._looks: dict[KeyName, _Look] = {}
        self._used: set[str] = set()
        """Ids whose use is to be noted."""
        self._noted: dict[str, float] = {}
        """When the use of each was noted, within the last NOTE_EACH_S."""

    async def holder(self, token: str) -> Caller | None:
        """Returns whose key it is; None where it is none, or was revoked. Raises redis.exceptions.RedisError."""
        key = await self._find(token) if looks_like_key(token) else None
        if key is None:
            return None
        if key.id not in self._noted:
            self._used.add(key.id)
        expires = None if key.expires_ms is None else key.expires_ms / 1000
        return Caller(key.owner, key.scopes, GRANT + key.id, expires=expires)

    async def ended(self, grants: Collection[str]) -> Collection[str]:
        """Returns those grants that are keys which are good no more. Raises redis.exceptions.RedisError."""
        ids = [grant.removeprefix(GRANT) for grant in grants if grant.startswith(GRANT)]
        return [GRANT + id for id in await self._store.ended(ids)] if ids else ()

    async def run(self) -> None:
        """Notes once a second which keys were used, each once a minute at most."""
        while True:
            await asyncio.sleep(NOTE_S)
            with suppress(RedisError):  # what is not noted now is noted a second later
                await self.note_uses()

    async def note_uses(self) -> None:
        """Notes the uses that are due. Raises redis.exceptions.RedisError."""
        now = asyncio.get_running_loop().time()
        self._noted = {id: at for id, at in self._noted.items() if now - at < NOTE_EACH_S}
        used, self._used = self._used, set()
        if not used:
            return
        try:
            await self._store.note_used(used)
        except BaseException:
            self._used |= used
            raise
        self._noted |= dict.fromkeys(used, now)

    async def _find(self, key: str) -> StoredKey | None:
        now = asyncio.get_running_loop().time()
        known: _Known | None = None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S) as limit:
                name = await self._store.name(key)
                known = self._good.get(name) or self._wrong.get(name)
                if known is not None and now - known.at < BELIEVED_S:
                    return known.found
                look = self._look(name)
                if _still_good(known, now) is not None:
                    limit.reschedule(look.began + LOOK_TIMEOUT_S)  # who was good before waits for no one's second look
                return (await asyncio.shield(look.task)).found
        except (RedisError, TimeoutError) as error:
            if (found := _still_good(known, now)) is not None:
                return found
            if isinstance(error, RedisError):
                raise
            raise RedisTimeoutError("a key cannot be looked up") from None

    def _look(self, name: KeyName) -> _Look:
        """Returns the look at a key: one for all who ask for it meanwhile."""
        look = self._looks.get(name)
        if look is None:
            began = asyncio.get_running_loop().time()
            look = self._looks[name] = _Look(began, asyncio.create_task(self._look_up(name, began)))
            # Nobody may wait for it any more.
            look.task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return look

    async def _look_up(self, name: KeyName, began: float) -> _Known:
        try:
            known = _Known(await self._store.find(name), began)
        finally:
            del self._looks[name]
        there, other, most = (
            (self._good, self._wrong, MAX_GOOD) if known.found is not None else (self._wrong, self._good, MAX_WRONG)
        )
        other.pop(name, None)
        there[name] = known
        there.move_to_end(name)
        if len(there) > most:
            there.popitem(last=False)
        return known


def _still_good(known: _Known | None, now: float) -> StoredKey | None:
    """Returns a key that was good not long ago, and by this node's clock still is: for when Redis cannot be asked."""
    if known is None or known.found is None or now - known.at >= AWAY_S:
        return None
    expires_ms = known.found.expires_ms
    return known.found if expires_ms is None or expires_ms > time() * 1000 else None
