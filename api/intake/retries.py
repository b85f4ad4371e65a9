"""Retries of SDKs: one that lost its connection joins the generation that it has asked for, and pays no second time.

The SDKs of OpenAI and Anthropic send no idempotency key by default. They count their tries in `X-Stainless-Retry-Count`
(`_base_client.py` of openai-python and anthropic-sdk-python), and give up an answer after 600 s
(docs/decisions/0034-retries-join.md).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Literal

from redis.exceptions import RedisError

from api.intake.asker_notes import AskerNotes
from api.intake.heartbeat import Heartbeat
from api.intake.joining import Joining
from api.supervisor import logger, supervised
from shared.generations.api_nodes import ApiNodes
from shared.generations.askers import Askers, NotedAsker
from shared.generations.generations import Generations
from shared.record import DialectName
from shared.storage.outage import level

ANSWER_TIMEOUT_S = 2.0
"""Seconds in which Redis must answer; after them a request goes on without being noted, or joining."""
LEAVE_TIMEOUT_S = 2.0
"""Seconds in which a node that ends notes what is left."""

_COUNT = re.compile(r"[0-9]{1,3}")


def read_count(header: str | None) -> int:
    """Returns what `X-Stainless-Retry-Count` says; 0 where it is missing or malformed."""
    return int(header) if header is not None and _COUNT.fullmatch(header) else 0


class Asker:
    """The connection of who asks over a dialect, from the request to the end of its answer.

    A route asks for one with `Retries.begin` when it has the body, and then:

    - Where `joined` is an id, it accepts nothing and answers from that generation's log. The generation may be deleted
      at any moment, as any other.
    - Else it awaits `accepted(id)`, before or beside accepting the generation: an id that is never accepted harms
      nothing, and a node that dies in between leaves nothing that a retry would not find.
    - When the whole answer was written to the connection, it calls `answered()`. That may also be the failure that the
      generation ended with, but no other error: after a 503 the retry is to join.
    - When the connection ended before that, whoever ended it, it calls `broke()`.

    The last two return at once, may be called anywhere in the loop, and only the first of all calls counts: a route may
    call `broke()` in a `finally`. One of them must be called, or no retry joins before this node has ended. A request
    with an idempotency key needs no asker.
    """

    def __init__(
        self, notes: AskerNotes, askers: Askers, digest: str | None, name: str, noted: NotedAsker | None, first: bool
    ) -> None:
        self._notes = notes
        self._askers = askers
        self._digest = digest
        self._name = name
        self._noted = noted
        self._first = first
        self._end: Literal["answered", "broken"] | None = None

    @property
    def joined(self) -> str | None:
        """Returns the id of the generation that this retry has joined; None where it is a new request."""
        return self._noted.generation_id if self._noted is not None and not self._first else None

    async def accepted(self, generation_id: str) -> None:
        """Notes that this connection waits for a new generation, so that a retry can join it. Never raises RedisError.

        Of what a retry asks for anew nothing is noted: only what began with the first try is joined.
        """
        if not self._first or self._digest is None or self._noted is not None:
            return
        self._noted = NotedAsker(generation_id, self._name, self._end or "connected")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._askers.note(self._digest, self._noted)
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "an asker is noted later (%s)", type(error).__name__)
            self._notes.put(self._digest, self._noted)

    def answered(self) -> None:
        """Says that the whole answer has been written."""
        self._ended("answered")

    def broke(self) -> None:
        """Says that the connection has ended before that."""
        self._ended("broken")

    def _ended(self, end: Literal["answered", "broken"]) -> None:
        if self._end is not None:
            return
        self._end = end
        if self._noted is not None and self._digest is not None:
            self._noted = replace(self._noted, state=end)
            self._notes.put(self._digest, self._noted)


class Retries:
    """Knows retries by what they ask. Where Redis cannot say, a retry is a new request. `running` has its tasks."""

    def __init__(
        self,
        generations: Generations,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        nodes = ApiNodes(generations.redis)
        self._askers = Askers(generations)
        self.heartbeat = Heartbeat(nodes, clock=clock)
        self.notes = AskerNotes(self._askers)
        self._joining = Joining(self._askers, nodes, self.heartbeat, self.notes, clock=clock, sleep=sleep)
        self._numbers = itertools.count(1)

    async def begin(
        self, owner: str, dialect: DialectName, body: bytes, user_agent: str, retry_count: str | None
    ) -> Asker:
        """Returns who asks; where that is a retry, perhaps with the generation that it joins.

        `retry_count` is the header as it came. A first try waits for nothing. A retry may wait some seconds, until it
        is known whether the connection before it has ended.
        """
        count = read_count(retry_count)
        name = f"{self.heartbeat.node}/{next(self._numbers)}"
        digest, noted = None, None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S + (self._joining.longest_s if count else 0)):
                digest = await self._askers.digest(owner, dialect, body, user_agent)
                if count:
                    noted = await self._joining.join(digest, count, name)
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "a request is taken for a new one (%s)", type(error).__name__)
        if noted is not None:
            logger.info("%s: retry %d joins it", noted.generation_id, count)
        return Asker(self.notes, self._askers, digest, name, noted, first=not count)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Says that this node lives, and writes notes, while inside; writes what is left at the end."""
        with suppress(RedisError, TimeoutError):
            # Before the first asker is noted: it would look as if its node had died.
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self.heartbeat.beat()
        async with supervised("heartbeat", self.heartbeat.run), supervised("askers", self.notes.run):
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self.notes.kept()
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self.heartbeat.leave()
