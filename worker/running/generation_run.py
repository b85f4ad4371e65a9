"""One generation on this worker: claim the log, stream from the provider, seal; again where an attempt fails."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from itertools import count
from typing import Literal

from msgspec.structs import replace
from pydantic import ValidationError
from redis.exceptions import RedisError

from shared.log.events import AttemptReason, Cancelled, Completed, Failed, encode
from shared.log.guarded_log import Claim, ClaimOutcome, WriteOutcome
from shared.log.snapshots import Snapshot
from shared.record import Record
from shared.usage import ended
from worker.billing.bill import Bill, count_deleted, is_refused
from worker.cache.lookup import Lookup
from worker.cache.replay import Replay
from worker.providers.provider import Provider
from worker.requests.kept_request import KeptRequest
from worker.requests.newer_requests import NewerRequests
from worker.running import log_lines as told
from worker.running.circuits import may_be_why
from worker.running.continuation import Continuation
from worker.running.provider_call import ProviderCall, stream
from worker.running.services import WorkerServices
from worker.writing.writer import DEFECT_END, StopReason, Writer

logger = logging.getLogger("midstream.worker")

AWAY_LEASES = 3
"""Leases for which a Redis that is away is waited for between two attempts."""
HAND_OVER_S = 2.0
"""Seconds that a leaving worker waits for the log to have what was said so far."""

MAX_MOVES = 4
"""Times that the log may grow while it is read to go on from its end; after them the attempt starts over."""

LONG_RETRY_AFTER_S = 2.0
"""Seconds of a `Retry-After` past which another model is asked instead, where there is one."""

FINAL_CODES = frozenset({"deadline_exceeded", "too_long", "worker_exhausted"})
"""Codes of failures that another model would not mend."""
AWAY_CODES = frozenset({"connection", "overloaded", "rate_limit", "provider_timeout", "worker_exhausted"})
"""Codes of failures of a provider that may go on with the answer when it is back."""
DENIED_CODES = frozenset({"authentication", "permission"})
"""Codes of failures that starting over would not mend either."""

Stop = Literal["cancel", "drain"] | StopReason
"""Why a generation is stopped: cancelled, this worker leaves, or the log wants or can take no more."""


class JobEnd(Enum):
    """What becomes of the job in the queue."""

    DONE = "done"
    BACK = "back"
    """Another worker may take it at once."""
    LEFT = "left"
    """Neither: it is another's, or the lease runs out and with it comes the next try."""


class GenerationRun:
    """One generation's attempts on this worker. `until_ms` is the end of its lease on Redis' clock."""

    def __init__(
        self,
        services: WorkerServices,
        record: Record,
        asked: KeptRequest,
        newer: NewerRequests,
        until_ms: Callable[[], int],
    ) -> None:
        self.record = record
        self.asked = asked
        self.writer: Writer | None = None
        self._services = services
        self._newer = newer
        self._until_ms = until_ms
        self._models = [record.model]
        self._choice = record.choice
        self._accepted_at: float | None = None
        """When the generation was accepted (time.monotonic), as far as Redis' clock said at the first claim here."""
        self._lookup: Lookup | None = None
        self._replay: Replay | None = None
        """Whose answer is copied, instead of asking the provider."""
        self._so_far: Snapshot | None = None
        """What earlier attempts have said, if this one goes on from there."""
        self._earlier = Continuation(services, record, asked)
        self._unpaid = set[int]()
        """Tokens of attempts here that no provider charges for."""
        self._refused = False
        """The provider has just refused to continue: that was no failed attempt."""
        self._told = False
        """The worker's log has its start."""
        self._why: Stop | None = None
        self._sealing = False
        self._task: asyncio.Task[JobEnd] | None = None

    def stop(self, why: Stop) -> None:
        """End it, unless it is ending; the first reason counts."""
        if self._why is None and not self._sealing and self._task is not None:
            self._why = why
            self._task.cancel()

    async def to_the_end(self) -> JobEnd:
        """Attempts until the log is sealed, or until this is stopped."""
        task = self._task = asyncio.create_task(self._on_trial())
        try:
            await asyncio.wait({task})
            return await self._stopped() if task.cancelled() else task.result()
        except RedisError:
            raise
        except Exception as error:
            # Its text may hold a prompt or an answer, so only its kind and place are logged.
            place = error.__traceback__ and _innermost(error)
            logger.error("%s: %s at %s", self.record.id, type(error).__name__, place)
            return await self._seal(replace(DEFECT_END))
        finally:
            task.cancel()
            await asyncio.wait({task})
            if self.writer is not None:
                self._services.appender.close(self.writer)
            # What refers to itself waits for the collector, which seldom looks: a writer to this run, which it stops;
            # and a task to its exception, by whose frames that refers to all of them, and to the task.
            self.writer = self._task = None
            with suppress(asyncio.CancelledError):
                task.exception()
            await self._earlier.ended()

    async def _on_trial(self) -> JobEnd:
        if not await self._read():
            return JobEnd.LEFT
        async with self._services.trials.on_trial(self.record, further=self._has_further()):
            return await self._attempts()

    async def _read(self) -> bool:
        """Read what is asked for; False where only a newer worker knows what that is."""
        try:
            request = await self.asked.request()
        except ValidationError as error:
            self._choice = 0  # whatever its further models are: the attempt will say that it cannot be read
            return self.record.cancel_requested or not self._newer.has_asked(error)
        self._models += request.fallback or ()
        if request.cache is not None and not self.record.cancel_requested:
            self._lookup = self._services.cache.lookup(self.record, self.asked)
        return True

    async def _attempts(self) -> JobEnd:
        lost = "The worker that ran it was lost, too often or as it must not start over."
        failure = Failed(code="worker_lost", message=lost, retryable=True)
        claim = await self._claim()
        while claim.owned:
            if claim.start is ClaimOutcome.EXHAUSTED and self._has_further():
                # By whatever it lost them: the list of models is a bound of its own.
                self._choice = await self._services.circuits.choose(self._models, self._choice + 1)
                claim = await self._claim_again(claim.token, "fallback")
                continue
            if self.writer is not None:
                self._services.appender.close(self.writer)
            self.writer = self._services.appender.open(
                self.record.id, claim, restore=self.asked.restore, stop=self.stop
            )
            if claim.start is ClaimOutcome.CANCELLED:
                return await self._seal(Cancelled())
            if claim.start is not ClaimOutcome.CLAIMED:
                return await self._seal(failure)
            if not self._told:
                told.start(self.record, self._models[self._choice], claim.number)
                self._told = True
            await self._services.trials.began(self.record.id)
            end, again = await self._attempt(claim, self.writer)
            if again is None or isinstance(end, Completed):
                return await self._seal(end)
            failure = end
            await self.writer.caught_up()
            claim = await self._claim_again(claim.token, again)
        return JobEnd.LEFT if claim.start in (ClaimOutcome.FENCED, ClaimOutcome.LATE) else JobEnd.DONE

    def _has_further(self) -> bool:
        return self._choice + 1 < len(self._models)

    async def _choose(self) -> None:
        """Whom to ask: another generation's log where that will do, else the first model that is not known to fail."""
        self._replay = None
        if self._lookup is not None:
            provider, _, model = self._models[self._choice].partition("/")
            if await self._earlier.to_continue(provider, model) is None:
                self._replay = await self._lookup.replay()
        if self._replay is None:
            self._choice = await self._services.circuits.choose(self._models, self._choice)

    async def _claim(self, token: int | None = None, reason: AttemptReason | None = None) -> Claim:
        if token is None or reason == "source_lost":
            await self._choose()
        provider, _, model = self._models[self._choice].partition("/")
        if self._replay is not None:
            provider, model = self._replay.name, self._replay.model
        for move in count(1):
            goes_on = self._replay is None and move <= MAX_MOVES
            self._so_far = await self._earlier.to_continue(provider, model) if goes_on else None
            claim = await self._services.log.claim(
                self.record.id,
                model=model,
                provider=provider,
                ttl_ms=int(self._services.settings.running_ttl * 1000),
                token=token,
                reason=reason,
                until_ms=self._until_ms() if token is None else None,
                choice=self._choice,
                continues=self._so_far is not None,
                after=self._so_far.last if self._so_far else None,
                cached=self._replay is not None,
                counts=not self._refused,
                beside=self._services.trials.is_beside(self.record.id),
            )
            if claim.start is ClaimOutcome.CLAIMED and self._so_far is None:
                self._earlier.useless = False
                self._earlier.let_go()
            if claim.start is not ClaimOutcome.MOVED:
                self._refused = False
                return claim
            # An older attempt still writes: its lease is over, and soon it knows.
            await asyncio.sleep(0.05 * 2.0**move * random.uniform(0.5, 1.0))
        raise AssertionError("a claim that continues nothing cannot find the log moved")

    async def _claim_again(self, token: int, reason: AttemptReason) -> Claim:
        """The next attempt's claim; a Redis that is away is waited for, as what was said so far is only here.

        Raises redis.exceptions.RedisError where it stays away for several leases.
        """
        patience = 0.0
        failures = 0
        while True:
            try:
                claim = await self._claim(token=token, reason=reason)
                if claim.start is ClaimOutcome.GONE and await self.asked.restore():
                    claim = await self._claim()
                return claim
            except RedisError:
                if not failures:
                    patience = time.monotonic() + AWAY_LEASES * self._services.settings.lease
                elif time.monotonic() > patience:
                    raise
            failures += 1
            await asyncio.sleep(min(0.05 * 2.0 ** min(failures, 5), 1.0) * random.uniform(0.5, 1.0))

    async def _attempt(self, claim: Claim, writer: Writer) -> tuple[Completed | Failed, AttemptReason | None]:
        """The end of one attempt, and why another one follows it, if one does."""
        settings = self._services.settings
        name, _, model = self._models[self._choice].partition("/")
        try:
            await self.asked.request()
            provider: Provider = self._services.providers.get(name) if self._replay is None else self._replay
        except ValidationError:
            return Failed(code="internal_error", message="The stored request cannot be read.", retryable=False), None
        except KeyError:
            message = f"The worker has no provider named {name}: its configuration differs from the API's."
            return Failed(code="unknown_provider", message=message, retryable=False), None
        request = self.asked.head
        assert request is not None
        if self._accepted_at is None:
            # While it waited, the API looked at its deadline (api/queued_deadlines.py).
            # Redis' clock may be set from now on.
            elapsed_ms = max(0, claim.elapsed_ms, claim.token - self.record.created_ms)
            self._accepted_at = time.monotonic() - elapsed_ms / 1000
        seconds = (request.deadline or settings.deadline) - (time.monotonic() - self._accepted_at)
        patience = LONG_RETRY_AFTER_S if self._replay is None and self._has_further() else math.inf
        call = ProviderCall(provider, self.asked, model, self._so_far, patience)
        end = await stream(call, writer, settings, seconds=seconds)
        failed = end if isinstance(end, Failed) else None
        if failed is not None and is_refused(failed, writer):
            self._unpaid.add(writer.token)
        if self._replay is not None:
            over = failed is None or writer.outcome is not None or failed.code in FINAL_CODES
            must_not = writer.said_something and request.on_interrupt == "fail"
            return end, None if over or must_not else "source_lost"
        own = failed is not None and may_be_why(request, failed.code, provider, settings)
        await self._services.circuits.report(self._models[self._choice], failed.code if failed else None, own=own)
        if failed is None or writer.outcome is not None or failed.code in FINAL_CODES:
            return end, None
        if writer.said_something and request.on_interrupt == "fail":
            return end, None
        self._earlier.useless = writer.over
        unheard = self._so_far is not None and not writer.said_something
        if unheard and failed.code not in AWAY_CODES | DENIED_CODES:
            # The provider no longer has it, or takes no beginning of an answer after all.
            self._earlier.useless = self._refused = True
            return end, "provider_error"
        if self._has_further() and not (
            failed.retryable and writer.said_something and await self._may_go_on(writer, name, model)
        ):
            self._choice = await self._services.circuits.choose(self._models, self._choice + 1)
            return end, "fallback"
        return end, "provider_error" if failed.retryable and (writer.said_something or unheard) else None

    async def _may_go_on(self, writer: Writer, provider: str, model: str) -> bool:
        """Whether the next attempt with this model would continue, and so comes before another model."""
        if self.record.on_interrupt != "continue":
            return False
        await writer.caught_up()
        try:
            return await self._earlier.to_continue(provider, model) is not None
        except RedisError:
            return True  # the claim waits for it, and looks again

    async def _seal(self, end: Completed | Failed | Cancelled) -> JobEnd:
        """Write the terminal event, and wait until the log has it."""
        if self.writer is None:
            return JobEnd.LEFT
        self._sealing = True
        end.usage = end.usage or self.writer.usage
        await self._bill().close(end, self.writer, self._services.log)
        self.writer.put(end)
        self.writer.ended = ended(self.record, self.writer.first, self.writer.token, end)
        await self.writer.caught_up()
        if self.writer.outcome is WriteOutcome.FENCED:
            return JobEnd.LEFT
        if self.writer.outcome is WriteOutcome.OK:
            self._tell(end, self.writer)
        if self.writer.outcome is WriteOutcome.GONE:
            await self._count_deleted()
        if not isinstance(end, Completed):
            self._let_go()
        return JobEnd.DONE

    def _tell(self, end: Completed | Failed | Cancelled, writer: Writer) -> None:
        name = self._models[self._choice]
        asked = None
        if isinstance(end, Failed) and self._replay is None and end.code != "worker_exhausted":
            asked = self._services.providers.endpoints.get(name.partition("/")[0])
        ms = max(0, writer.token - self.record.created_ms) + writer.elapsed_ms
        told.end(self.record, name, writer.number, ms, end, asked)

    def _let_go(self) -> None:
        """End what goes on at the provider, now that nobody will read on."""
        if self._replay is not None:
            return  # what runs there is its source's
        if self.writer is not None and self.writer.response is not None:
            self._earlier.end(self._models[self._choice].partition("/")[0], self.writer.response.response_id)
        else:
            self._earlier.let_go()

    async def _stopped(self) -> JobEnd:
        if self._why == "gone":
            self._let_go()
            if self.writer is not None:
                await self._count_deleted()
            return JobEnd.DONE
        if self._why == "lease":
            return JobEnd.LEFT
        if self.writer is None:
            return JobEnd.BACK
        if self._why == "cancel":
            return await self._seal(Cancelled())
        if self._why == "defect":
            return await self._seal(replace(DEFECT_END))
        if self._why == "full":
            message = "Redis has no room for more: its memory or its disk is full."
            return await self._seal(Failed(code="storage_full", message=message, retryable=True))
        return await self._drained(self.writer)

    async def _drained(self, writer: Writer) -> JobEnd:
        """This worker leaves. What has begun to answer and must not start over ends here; all else is handed over."""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                if self.record.on_interrupt == "fail" and writer.said_something:
                    message = "The worker that ran it was replaced, and it must not start over."
                    return await self._seal(Failed(code="worker_lost", message=message, retryable=True))
                await writer.caught_up()
                told = await self._cancelled_meanwhile(writer)
                outcome = await self._services.log.hand_over(self.record.id, writer.token, "drained", cancelled=told)
        except (TimeoutError, RedisError):
            return JobEnd.LEFT
        return JobEnd.BACK if outcome is WriteOutcome.OK else JobEnd.DONE

    async def _count_deleted(self) -> None:
        assert self.writer is not None
        services = self._services
        await count_deleted(self.record, self._bill(), self.writer, services.generations, services.log)

    def _bill(self) -> Bill:
        return Bill(self._services.prices, self.asked.characters, self._unpaid)

    async def _cancelled_meanwhile(self, writer: Writer) -> bytes:
        """The end that it has if it is cancelled before another worker claims it; empty where its bill takes long."""
        end = Cancelled(usage=writer.usage)
        try:
            async with asyncio.timeout(HAND_OVER_S / 2):
                await self._bill().close(end, writer, self._services.log, itemised=True)
        except TimeoutError:
            return b""
        return encode(end)


def _innermost(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_name}:{traceback.tb_lineno}" if traceback else "?"
