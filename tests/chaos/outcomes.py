"""What has become of everything that was asked for: as Redis holds it, and as the API tells it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.log.events import ORIGIN
from shared.log.guarded_log import LOG_PAGE, Log
from shared.storage.connections import connect
from shared.storage.keys import GenerationKeys
from tests.chaos.conversations import Conversation, held, listed, told
from tests.chaos.dialect_audience import read_whole
from tests.chaos.history import History, Reported, Seen, Stored, Whole, hashed
from tests.chaos.rig import Rig
from tests.chaos.spoken import Spoken
from tests.harness.server import is_primary

PATIENCE = 5.0
"""Seconds for a request that is not a stream."""


class Outcomes:
    """Looks at generations and conversations, by the side of everything, and writes down what it finds."""

    def __init__(self, rig: Rig, history: History, http: httpx2.AsyncClient, spoken: list[Spoken]) -> None:
        self.rig, self.history = rig, history
        self._http, self._spoken = http, spoken

    async def keys(self) -> int:
        """How many keys Redis has; 0 where it does not say."""
        with contextlib.suppress(RedisError):
            async with self._primary() as redis:
                return int(await redis.dbsize())
        return 0

    async def ids(self) -> set[str]:
        """All generations of which Redis has a record."""
        async with self._primary() as redis:
            keys = [key.decode() async for key in redis.scan_iter(match="midstream:{gen_*}:record", count=1000)]
        return {key.partition("{")[2].partition("}")[0] for key in keys}

    async def reported(self, generation_id: str, patience: float) -> None:
        """What an API says of it; after so many seconds, whatever that is."""
        until = time.monotonic() + patience
        for api in itertools.cycle(self.rig.apis):
            status, body = 0, {}
            with contextlib.suppress(httpx2.HTTPError):
                answer = await self._http.get(f"{self.rig.front(api)}/v1/generations/{generation_id}")
                status, body = answer.status_code, answer.json()
            if status in (200, 404, 410) or time.monotonic() > until:
                self.history.add(
                    Reported(
                        at=time.time(), id=generation_id, api=api.name, status=status,
                        state=body.get("state"), last=body.get("last_event_id"),
                    )
                )  # fmt: skip
                return
            await asyncio.sleep(0.1)

    async def wholes(self, generation_id: str, patience: float) -> None:
        """Its stream in each dialect, uncut; none where it does not come in so many seconds."""
        until = time.monotonic() + patience
        for spoken in self._spoken:
            for api in itertools.cycle(self.rig.apis):
                with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
                    status, events, said, marks = await read_whole(self.rig.front(api), spoken, generation_id)
                    if status != 503:
                        text = hashed(spoken.text(said).encode()) if events else ""
                        self.history.add(
                            Whole(
                                at=time.time(), id=generation_id, dialect=spoken.name, api=api.name, status=status,
                                marks=marks, name=next((event.name for event in events if event.name), ""), text=text,
                                events=events,
                            )
                        )  # fmt: skip
                        break
                if time.monotonic() > until:
                    break
                await asyncio.sleep(0.1)

    async def turns(self, conversation: Conversation, patience: float) -> None:
        """What Redis holds of a conversation, and what an API lists of it."""
        until = time.monotonic() + patience
        async with self._primary() as redis:
            found = await held(redis, conversation)
        no_turns: list[tuple[int, str]] = []
        for api in itertools.cycle(self.rig.apis):
            status, by_api = 0, no_turns
            with contextlib.suppress(httpx2.HTTPError):
                status, by_api = await listed(self._http, self.rig.front(api), conversation)
            if status in (200, 404, 410) or time.monotonic() > until:
                break
            await asyncio.sleep(0.1)
        self.history.add(told(conversation, found, status, by_api))

    async def stored(self, generation_id: str) -> str | None:
        """Read what Redis holds, by the side of everything; the state."""
        while True:
            try:
                async with self._primary() as redis:
                    stored = await self._read(redis, generation_id)
                self.history.add(stored)
            except RedisError:
                await asyncio.sleep(0.1)
            else:
                return stored.state

    async def _read(self, redis: Redis, generation_id: str) -> Stored:
        keys, log = GenerationKeys(generation_id), Log(redis)
        events: list[Seen] = []
        text, cursor = "", ORIGIN
        hmget: Any = redis.hmget
        state, seal = await hmget(keys.record, ["state", "seal"])
        while page := await log.read(generation_id, cursor, count=LOG_PAGE):
            for entry in page:
                events.append(Seen(str(entry.id), entry.type, hashed(entry.data)))
                data = json.loads(entry.data)
                if entry.type == "attempt" and not data["continues"]:
                    text = ""
                elif entry.type == "delta":
                    text += data["delta"]
            cursor = page[-1].id
        return Stored(
            at=time.time(), id=generation_id, state=state and state.decode(), seal=seal.decode() if seal else "",
            events=events, text=hashed(text.encode()),
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _primary(self) -> AsyncIterator[Redis]:
        """Redis, by the side of everything. Raises RedisError where it has handed over meanwhile."""
        async with contextlib.aclosing(connect(self.rig.redis.url, timeout=PATIENCE)) as redis:
            yield redis
            if not await is_primary(redis):
                raise RedisError("it is a replica now")
