"""Askers: whose connection waits for a generation's answer, so that a retry of an SDK joins it and pays no second time.

Requests that are the same, of one owner and one kind of client, share one key. It has each of their generations whose
first asker counted no retry yet. docs/decisions/0034-retries-join.md says why it is so.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from shared.generations.generations import Generations
from shared.process.background_thread import aside
from shared.record import DialectName
from shared.storage.keys import GenerationKeys, askers_key
from shared.storage.lua_script import LuaScript

AskerState = Literal["connected", "broken", "answered"]

JOINABLE_MS = 600_000
"""ms after its end in which a generation can be joined."""
KEEP_MS = 86_400_000 + JOINABLE_MS
"""ms for which askers are kept: no generation runs for longer than the longest `deadline`."""
ANSWERED_MS = 60_000
"""ms for which they are kept once each had its answer: a note that was late must still meet them."""
MAX_ASKERS = 100
"""Generations of one digest that are noted; past it the oldest is forgotten, first of those that were answered."""
MAX_JOINED = 16
"""Retries that join one generation."""


@dataclass(frozen=True, slots=True)
class NotedAsker:
    """How the asker of one generation stands."""

    generation_id: str
    name: str
    """`NODE/NUMBER`: the API node that has its connection, and which of that node's askers it is."""
    state: AskerState
    counts: tuple[int, ...] = ()
    """The retry counts that have joined the generation."""
    began_ms: int = 0
    """When it was first noted, later than all that were noted before it; 0 where that is not known yet."""

    @property
    def node(self) -> str:
        """Returns the API node that has its connection."""
        return self.name.partition("/")[0]

    @property
    def counts_text(self) -> str:
        """Returns the counts as they are noted."""
        return ",".join(map(str, self.counts))

    def joined(self, name: str, count: int) -> NotedAsker:
        """Returns the asker that takes this one's place by its retry count."""
        return replace(self, name=name, state="connected", counts=(*self.counts, count))

    def text(self) -> bytes:
        """Returns what is noted of it."""
        return f"{self.began_ms} {self.name} {self.state} {self.counts_text}".encode()

    @classmethod
    def parse(cls, generation_id: bytes, text: bytes) -> NotedAsker:
        """Reads what was noted. Raises ValueError."""
        began, name, state, counts = text.decode().split(" ")
        if state not in ("connected", "broken", "answered"):
            raise ValueError(state)
        joined = tuple(int(count) for count in counts.split(",") if count)
        return cls(generation_id.decode(), name, state, joined, int(began))  # type: ignore[arg-type]  # looked at above


class Askers:
    """Notes and finds askers, on the logs' Redis. Methods raise redis.exceptions.RedisError.

    Every call may be made again where its reply was lost.
    """

    _note = LuaScript("shared/generations/note_asker.lua")
    _join = LuaScript("shared/generations/join.lua")

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._redis: Redis = generations.redis

    async def digest(self, owner: str, dialect: DialectName, body: bytes, user_agent: str) -> str:
        """Returns what requests have in common of which one may be a retry of the other; it tells nothing of them."""
        hashed = await aside(len(body), _sha256, body)
        message = b"".join(b"%d:%b" % (len(p), p) for p in (owner.encode(), dialect.encode(), hashed))
        message += user_agent.encode(errors="surrogateescape")
        return hmac.digest(await self._generations.secret(), message, hashlib.sha256).hex()

    async def note(self, digest: str, asker: NotedAsker) -> None:
        """Notes how an asker stands; what is older than what was noted changes nothing."""
        await self._note(self._redis, [askers_key(digest)], _noted(asker))

    async def note_all(self, notes: Sequence[tuple[str, NotedAsker]]) -> list[ResponseError | None]:
        """Notes askers, each with its digest, in one round trip; returns for each Redis' error where it was refused."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for digest, asker in notes:
                self._note.queue(pipe, [askers_key(digest)], _noted(asker))
            answers = await pipe.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._note.load(self._redis)
            return await self.note_all(notes)
        return [answer if isinstance(answer, ResponseError) else None for answer in answers]

    async def waiting(self, digest: str, count: int) -> list[NotedAsker]:
        """Returns the askers that had no answer, whose generations a retry of this count may join: the newest first.

        The generation has not ended, or at most JOINABLE_MS ago, and no retry of the same count has joined it.
        """
        noted = await self._redis.hgetall(askers_key(digest))  # type: ignore[misc]
        askers = [asker for pair in noted.items() if (asker := _read(*pair)) and _may_be_joined(asker, count)]
        if not askers:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for asker in askers:
                pipe.hmget(GenerationKeys(asker.generation_id).record, ["state", "ended"])
            (seconds, microseconds), *records = await pipe.execute()
        earliest = seconds * 1000 + microseconds // 1000 - JOINABLE_MS
        found = [
            asker
            for asker, (state, ended) in zip(askers, records, strict=True)
            if state is not None and (ended is None or (ended.isdigit() and int(ended) >= earliest))
        ]
        return sorted(found, key=lambda asker: asker.began_ms, reverse=True)

    async def join(self, digest: str, asker: NotedAsker, retry: NotedAsker) -> bool:
        """Lets a retry take an asker's place; returns False where that one stands otherwise than it was read."""
        return bool(
            await self._join(self._redis, [askers_key(digest)], [asker.generation_id, asker.text(), retry.text()])
        )


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _noted(asker: NotedAsker) -> list[str | int]:
    return [
        asker.generation_id, asker.name, asker.state, asker.counts_text, KEEP_MS, ANSWERED_MS, MAX_ASKERS,
    ]  # fmt: skip


def _read(generation_id: bytes, text: bytes) -> NotedAsker | None:
    try:
        return NotedAsker.parse(generation_id, text)
    except ValueError:
        return None


def _may_be_joined(asker: NotedAsker, count: int) -> bool:
    return asker.state != "answered" and count not in asker.counts and len(asker.counts) < MAX_JOINED
