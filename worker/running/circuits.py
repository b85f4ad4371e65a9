"""Circuits: which models are known to fail now, shared by all workers, so that a dead one is skipped and probed.

The pattern of that name (M. Nygard, "Release It!"): closed while calls succeed, open after a row of failures, and then
one caller at a time may probe whether it works again.
"""

import asyncio
import logging
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.request.generation_request import GenerationRequest
from shared.storage.keys import circuit_key
from shared.storage.lua_script import LuaScript
from shared.storage.outage import level
from worker.providers.provider import Provider
from worker.providers.watchdog import shortened
from worker.running.log_lines import shown

logger = logging.getLogger("midstream.worker")

WINDOW_MS = 60_000
"""ms within which failures count as a row."""
MAX_OPEN_MS = 300_000
PROBE_GIVEN_UP_MS = 60_000
"""ms after which a probe that nobody has reported is given up."""
ANSWER_TIMEOUT_S = 0.2
"""Seconds in which the queue's Redis has to answer: an attempt waits for it, and it may be frozen."""
MAX_DOUBTFUL_MODELS = 10_000

CODES_OF_THE_REQUEST = frozenset(
    {
        "bad_request",
        "context_length",
        "content_filter",
        "not_found",  # also said of a tool or an image that no provider of a router takes
        "permission",  # also said of what moderation has flagged, and of more tokens than there is credit for
        "deadline_exceeded",
        "too_long",
        "worker_exhausted",
    }
)
"""Codes of failures that say nothing about the next request to the same model."""


def may_be_why(request: GenerationRequest, code: str, provider: Provider, settings: Settings) -> bool:
    """Says whether a call may have failed only because of what this request has added, or shortened, for itself.

    Others' requests to the model do not have that. That nothing answers at its address is nobody's doing.
    """
    if code == "connection":
        return False
    impatient = shortened(request.idle_timeout, provider.idle_timeout, settings)
    return provider.name in request.extra or (code == "provider_timeout" and impatient)


class Circuits:
    """One for each `provider/model`, in Redis. What Redis does not answer counts as closed."""

    _ask = LuaScript("worker/running/circuit_ask.lua")
    _report = LuaScript("worker/running/circuit_report.lua")

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._failures = settings.circuit_failures
        self._pause_ms = int(settings.circuit_pause * 1000)
        self._doubtful: set[str] = set()

    async def choose(self, models: Sequence[str], choice: int) -> int:
        """Returns the first place from `choice` on whose circuit is not open; else, or where it is the last, `choice`.

        A model without an alternative is always called: a failure says more than a refusal.
        """
        if choice + 1 >= len(models):
            return choice
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                for place in range(choice, len(models)):
                    answer = await self._ask(
                        self._redis, [circuit_key(models[place])], [PROBE_GIVEN_UP_MS, MAX_OPEN_MS]
                    )
                    if answer != b"closed":
                        self._doubtful.add(models[place])
                    if answer != b"open":
                        return place
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "circuits not asked (%s)", type(error).__name__)
        return choice

    async def report(self, model: str, failure: str | None, *, own: bool = False) -> None:
        """Reports how a call ended: the failure's code, or None for an answer.

        `own`: what the caller asked for may be why it failed.
        """
        if model not in self._doubtful and (failure is None or own or failure in CODES_OF_THE_REQUEST):
            return
        if failure is not None and (own or failure in CODES_OF_THE_REQUEST):
            await self._let_others_probe(model)
            return
        arguments = ["" if failure else "1", self._failures, WINDOW_MS, self._pause_ms, MAX_OPEN_MS]
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                opened_ms = int(await self._report(self._redis, [circuit_key(model)], arguments))
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "circuit not told (%s)", type(error).__name__)
            return
        if failure is None:
            self._doubtful.discard(model)
        elif len(self._doubtful) < MAX_DOUBTFUL_MODELS:
            self._doubtful.add(model)
        if opened_ms:
            logger.warning("circuit of %s opened for %.0f s (%s)", shown(model), opened_ms / 1000, failure)

    async def _let_others_probe(self, model: str) -> None:
        """Lets another call probe the model: if this one was the probe, it has shown nothing."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._redis.hdel(circuit_key(model), "probe")  # type: ignore[misc]
        except (RedisError, TimeoutError) as error:
            logger.log(level(error), "circuit not told (%s)", type(error).__name__)
