"""What this worker has done lately, noted in the queue's Redis for whoever is on call: `midstream doctor`, and `top`.

It is written beside the generations, at most once a second. Nothing of it is awaited where deltas run, and what cannot
be written is left out.
"""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.storage.keys import ACTIVITY_KEY, ANSWERS_KEY, FAILURES_KEY
from shared.storage.lua_script import LuaScript
from shared.storage.outage import level
from worker.running.circuits import CODES_OF_THE_REQUEST
from worker.running.log_lines import MAX_NAME_CHARS, shown

logger = logging.getLogger("midstream.worker")

PAUSE_S = 1.0
"""Seconds at least between two writes."""
ANSWER_TIMEOUT_S = 2.0
"""Seconds in which Redis has to answer."""
KEPT_MS = 7 * 86_400_000
"""ms for which it is kept how providers did, after the last of them was asked."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed attempt; `at` is of time.monotonic."""

    at: float
    code: str
    model: str


class Activity:
    """The last failure and the last answer of each provider, and how many runs began and ended.

    No more providers are kept than are configured, as only those are asked.
    """

    _note = LuaScript("worker/running/note_activity.lua")

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._counts: Counter[str] = Counter()
        self._failures: dict[str, _Failure] = {}
        self._answers: dict[str, float] = {}
        self._news = asyncio.Event()

    def count(self, what: str) -> None:
        """Counts a run that has `started` or `ended`."""
        self._counts[what] += 1
        self._news.set()

    def called(self, provider: str, model: str, failure: str | None, *, own: bool = False) -> None:
        """Notes how a call ended: the failure's code, or None for an answer.

        What says nothing about the provider is left out: codes of the request, and with `own` what the caller asked for
        may be why it failed.
        """
        if failure is None:
            self._answers[provider] = time.monotonic()
        elif own or failure in CODES_OF_THE_REQUEST:
            return
        else:
            self._failures[provider] = _Failure(time.monotonic(), failure, shown(model)[:MAX_NAME_CHARS])
        self._news.set()

    async def run(self) -> None:
        """Writes what is new, at most once in PAUSE_S, until it is cancelled."""
        while True:
            await self._news.wait()
            await self.write()
            await asyncio.sleep(PAUSE_S)

    async def write(self) -> None:
        """Writes what is new; what Redis does not take, or not in time, is lost."""
        self._news.clear()
        counts, failures, answers = self._counts, self._failures, self._answers
        if not (counts or failures or answers):
            return
        self._counts, self._failures, self._answers = Counter(), {}, {}
        now = time.monotonic()
        arguments: list[str | int] = [KEPT_MS, counts["started"], counts["ended"], len(failures)]
        for provider, failure in failures.items():
            told = msgspec.json.encode({"code": failure.code, "model": failure.model}).decode()
            arguments += [provider, _ms(now - failure.at), told[1:]]
        for provider, at in answers.items():
            arguments += [provider, _ms(now - at)]
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._note(self._redis, [FAILURES_KEY, ANSWERS_KEY, ACTIVITY_KEY], arguments)
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "activity not noted (%s)", type(error).__name__)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
