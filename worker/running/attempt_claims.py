"""The claims of one generation's attempts: what each attempt asks, and what it goes on from."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.log.snapshots import Snapshot
from shared.record import Record
from shared.request.generation_request import GenerationRequest
from worker.cache.lookup import Lookup
from worker.cache.replay import Replay
from worker.requests.kept_request import KeptRequest
from worker.running.continuation import Continuation
from worker.running.retry_policy import FIRST_ATTEMPT, Again, Choice
from worker.running.services import WorkerServices

AWAY_LEASES = 3
"""Leases for which a Redis that is away is waited for between two attempts."""
MAX_MOVES = 4
"""Times that the log may grow while it is read to go on from its end; after them the attempt starts over."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an attempt asks: a model or, in its place, another generation's log."""

    name: str
    """`provider/model`, one of those that the request allows."""
    replay: Replay | None = None
    """The generation whose answer is copied, instead of asking the provider."""
    so_far: Snapshot | None = None
    """What earlier attempts have said, if this one goes on from there."""

    @property
    def provider(self) -> str:
        """The provider that gives the answer, or gave it to the other generation."""
        return self.replay.name if self.replay else self.name.partition("/")[0]

    @property
    def model(self) -> str:
        """The model as that provider knows it."""
        return self.replay.model if self.replay else self.name.partition("/")[2]


class AttemptClaims:
    """Claims a generation's log, for one attempt after the other. `until_ms` returns its lease's end (Redis' clock)."""

    def __init__(
        self,
        services: WorkerServices,
        record: Record,
        kept: KeptRequest,
        earlier: Continuation,
        until_ms: Callable[[], int],
    ) -> None:
        self._services = services
        self._record = record
        self._kept = kept
        self._earlier = earlier
        self._until_ms = until_ms
        self._models = [record.model]
        self._choice = 0
        self._lookup: Lookup | None = None
        self._replay: Replay | None = None

    def allow(self, request: GenerationRequest) -> None:
        """Allows all that the request does: its further models, and an answer that is there already."""
        self._models += request.fallback or ()
        self._choice = self._record.choice
        if request.cache is not None and not self._record.cancel_requested:
            self._lookup = Lookup(self._services.cache, self._record, self._kept)

    @property
    def fallbacks_left(self) -> bool:
        """Says whether the request names a model after the one that is asked now."""
        return self._choice + 1 < len(self._models)

    async def first(self) -> tuple[Claim, Target]:
        """Claims the log for this worker. Raises redis.exceptions.RedisError."""
        return await self._claim(FIRST_ATTEMPT, None)

    async def choose(self, again: Again) -> None:
        """Chooses the next model, where that is what the next attempt asks."""
        if again.choice is Choice.NEXT:
            self._choice = await self._services.circuits.choose(self._models, self._choice + 1)

    async def next(self, again: Again, token: int) -> tuple[Claim, Target]:
        """Claims the log for the next attempt. Waits for a Redis that is away: what was said so far is only here.

        Raises redis.exceptions.RedisError where it stays away for several leases.
        """
        backoff = Backoff(0.1, cap=1.0)
        until: float | None = None
        while True:
            try:
                claim, target = await self._claim(again, token)
                if claim.start is ClaimOutcome.GONE and await self._kept.restore():
                    return await self._claim(replace(FIRST_ATTEMPT, fresh=again.fresh), None)
                return claim, target
            except RedisError:
                until = until or time.monotonic() + AWAY_LEASES * self._services.settings.lease
                if time.monotonic() > until:
                    raise
            await backoff.wait()

    async def _claim(self, again: Again, token: int | None) -> tuple[Claim, Target]:
        if again.choice is Choice.ANEW:
            await self._choose_anew(again)
        target = Target(self._models[self._choice], self._replay)
        backoff = Backoff(0.1)
        for move in count(1):
            so_far: Snapshot | None = None
            if self._replay is None and move <= MAX_MOVES:
                so_far = await self._earlier.to_continue(target.provider, target.model, fresh=again.fresh)
            claim = await self._services.log.claim(
                self._record.id,
                model=target.model,
                provider=target.provider,
                ttl_ms=int(self._services.settings.running_ttl * 1000),
                token=token,
                reason=again.reason,
                until_ms=self._until_ms() if token is None else None,
                choice=self._choice,
                continues=so_far is not None,
                after=so_far.last if so_far else None,
                cached=self._replay is not None,
                counts=again.counts,
                beside=self._services.quarantine.is_beside(self._record.id),
            )
            if claim.start is ClaimOutcome.CLAIMED and so_far is None:
                self._earlier.let_go()
            if claim.start is not ClaimOutcome.MOVED:
                return claim, replace(target, so_far=so_far)
            # An older attempt still writes: its lease is over, and soon it knows.
            await backoff.wait()
        raise AssertionError("a claim that continues nothing cannot find the log moved")

    async def _choose_anew(self, again: Again) -> None:
        self._replay = None
        if self._lookup is not None:
            target = Target(self._models[self._choice])
            if await self._earlier.to_continue(target.provider, target.model, fresh=again.fresh) is None:
                self._replay = await self._lookup.replay()
        if self._replay is None:
            self._choice = await self._services.circuits.choose(self._models, self._choice)
