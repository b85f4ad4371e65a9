"""One generation on this worker: claim the log, stream from the provider, seal; again where an attempt fails."""

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

from msgspec.structs import replace
from pydantic import ValidationError
from redis.exceptions import RedisError

from shared.errors import PreviousError
from shared.log.events import Cancelled, Completed, Failed
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.process import log_context
from shared.record import Record
from worker.billing.bill import is_refused
from worker.providers.provider import Provider
from worker.requests.kept_request import KeptRequest
from worker.requests.newer_requests import NewerRequests
from worker.running import log_lines
from worker.running.attempt_claims import AttemptClaims, Target
from worker.running.circuits import may_be_why
from worker.running.continuation import Continuation
from worker.running.generation_end import GenerationEnd, JobEnd, Stop
from worker.running.provider_call import CallEnd, ProviderCall, stream
from worker.running.retry_policy import FIRST_ATTEMPT, Again, Choice, Seal, decide
from worker.running.run_steps import RunSteps
from worker.running.services import WorkerServices
from worker.running.unread_request import UNREADABLE, failure_of
from worker.writing.observer import Observer
from worker.writing.writer import DEFECT_END, Writer

logger = logging.getLogger("midstream.worker")

LONG_RETRY_AFTER_S = 2.0
"""Seconds of a `Retry-After` past which another model is asked instead, where there is one."""
_UNHEARD = Observer()
"""Hears calls that ask no provider."""


class GenerationRun:
    """One generation's attempts on this worker. `until_ms` is the end of its lease on Redis' clock."""

    def __init__(
        self,
        services: WorkerServices,
        record: Record,
        kept: KeptRequest,
        newer: NewerRequests,
        until_ms: Callable[[], int],
        steps: RunSteps,
    ) -> None:
        self.record = record
        self.kept = kept
        self.writer: Writer | None = None
        self._target = Target(record.model)
        """What the newest attempt asks, which has the writer."""
        self._services = services
        self._newer = newer
        self._steps = steps
        self._earlier = Continuation(services, record, kept)
        self._claims = AttemptClaims(services, record, kept, self._earlier, until_ms)
        self._end = GenerationEnd(services, record, kept, self._earlier, steps)
        self._accepted_at = 0.0
        """When the generation was accepted (time.monotonic), as far as Redis' clock said at the first attempt here."""
        self._why: Stop | None = None
        self._sealing = False
        self._has_spoken = False
        """Whether its answer has begun, or may have begun on another worker."""
        self._unread = UNREADABLE
        """Why nothing can be asked, where the request has no head."""
        self._task: asyncio.Task[JobEnd] | None = None

    def stop(self, why: Stop) -> None:
        """Stops the generation, unless it is ending; the first reason counts."""
        if self._why is None and not self._sealing and self._task is not None:
            self._why = why
            self._task.cancel()

    async def to_the_end(self) -> JobEnd:
        """Makes attempts until the log is sealed, or until this is stopped."""
        task = self._task = asyncio.create_task(self._admitted_attempts())
        try:
            await asyncio.wait({task})
            if task.cancelled():
                return await self._end.stopped(self._why, self.writer, self._target)
            return task.result()
        except RedisError:
            raise
        except Exception as error:
            # Its text may hold a prompt or an answer, so only its kind and place are logged.
            logger.error("%s: %s at %s", self.record.id, type(error).__name__, log_lines.place(error))
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

    async def _admitted_attempts(self) -> JobEnd:
        try:
            self._claims.allow(await self.kept.request())
        except ValidationError as error:
            if not self.record.cancel_requested and self._newer.has_asked(error):
                return JobEnd.LEFT  # only a newer worker knows what that is
        except PreviousError as error:
            self._unread = failure_of(error, self._services.settings.max_body)
        async with self._services.quarantine.admitted(self.record, further=self._claims.fallbacks_left):
            return await self._attempts()

    async def _attempts(self) -> JobEnd:
        failure = Failed(
            code="worker_lost",
            message="The worker that ran it was lost, too often or as it must not start over.",
            retryable=True,
        )
        again = FIRST_ATTEMPT
        claim, target = await self._claims.first()
        while claim.owned:
            if claim.start is ClaimOutcome.EXHAUSTED and self._claims.fallbacks_left:
                # By whatever it lost them: the list of models is a bound of its own.
                again = Again("fallback", Choice.NEXT, counts=False, fresh=again.fresh)
                await self._claims.choose(again)
            else:
                writer = self._open(claim, target)
                if claim.start is not ClaimOutcome.CLAIMED:
                    return await self._seal(Cancelled() if claim.start is ClaimOutcome.CANCELLED else failure)
                await self._services.quarantine.claimed(self.record.id)
                call = await self._call(writer, target)
                if isinstance(call.event, Completed) or writer.outcome is not None:
                    return await self._seal(call.event)
                failure = call.event
                self._steps.failed(failure.code)
                then = await self._decide(failure, call.over, writer, target)
                if isinstance(then, Seal):
                    return await self._seal(failure)
                again = then
                await self._claims.choose(again)
                await writer.caught_up()
            claim, target = await self._claims.next(again, claim.token)
        return JobEnd.LEFT if claim.start in (ClaimOutcome.FENCED, ClaimOutcome.LATE) else JobEnd.DONE

    def _open(self, claim: Claim, target: Target) -> Writer:
        log_context.tell(attempt=claim.number)
        if self.writer is not None:
            self._services.appender.close(self.writer)
        elif claim.start is ClaimOutcome.CLAIMED:
            log_lines.start(self.record, target.name, claim.number)
            self._has_spoken = claim.number > 1
            if claim.number == 1:
                self._services.observer.waited(max(0, claim.token - self.record.created_ms) / 1000)
            # While it waited, the API looked at its deadline (api/queued_deadlines.py).
            # Redis' clock may be set from now on.
            elapsed_ms = max(0, claim.elapsed_ms, claim.token - self.record.created_ms)
            self._accepted_at = time.monotonic() - elapsed_ms / 1000
        self.writer = self._services.appender.open(
            self.record.id, claim, restore=self.kept.restore, stop=self.stop, spoke=self._spoke
        )
        if claim.start is ClaimOutcome.CLAIMED:
            self._steps.attempt(claim)
        if target.so_far is not None:
            self.writer.said = sum(len(part.text) for part in target.so_far.parts)
        self._target = target
        return self.writer

    def _spoke(self) -> None:
        # What an earlier attempt said was seen, whether it still stands or not.
        if not self._has_spoken:
            self._services.observer.spoke(self._target.name, time.monotonic() - self._accepted_at)
        self._has_spoken = True

    async def _call(self, writer: Writer, target: Target) -> CallEnd:
        """Asks the attempt's target, and reports to the model's circuit how that ended."""
        request, settings = self.kept.head, self._services.settings
        if request is None:
            return CallEnd(replace(self._unread))
        try:
            provider: Provider = target.replay or self._services.providers.get(target.provider)
        except KeyError:
            message = f"The worker has no provider named {target.provider}: its configuration differs from the API's."
            return CallEnd(Failed(code="unknown_provider", message=message, retryable=False))
        seconds = (request.deadline or settings.deadline) - (time.monotonic() - self._accepted_at)
        longest_s = LONG_RETRY_AFTER_S if target.replay is None and self._claims.fallbacks_left else math.inf
        replayed = target.replay is not None
        observer = _UNHEARD if replayed else self._services.observer
        endpoint = None if replayed else self._services.providers.endpoints.get(target.provider)
        begin = self._steps.calls(target.provider, endpoint, target.model)
        place = nullcontext if replayed else functools.partial(self._services.places.place, target.provider)
        call = ProviderCall(provider, self.kept, target.model, target.so_far, longest_s, observer, begin, place)
        end = await stream(call, writer, settings, seconds=seconds)
        failed = end.event if isinstance(end.event, Failed) else None
        if failed is not None and is_refused(failed, writer):
            self._end.unpaid.add(writer.token)
        if target.replay is None:
            own = failed is not None and may_be_why(request, failed.code, provider, settings)
            code = failed.code if failed else None
            self._services.activity.called(target.provider, target.name, code, own=own)
            await self._services.circuits.report(target.name, code, own=own)
        return end

    async def _decide(self, failure: Failed, over: bool, writer: Writer, target: Target) -> Seal | Again:
        copied, said, fallbacks_left = target.replay is not None, writer.said_something, self._claims.fallbacks_left
        on_interrupt = self.record.on_interrupt
        can_continue = False
        # The log is asked, and so only where another model would be asked instead.
        if fallbacks_left and failure.retryable and said and not copied and on_interrupt == "continue":
            await writer.caught_up()
            try:
                can_continue = await self._earlier.to_continue(target.provider, target.model) is not None
            except RedisError:
                can_continue = True  # the claim waits for it, and looks again
        return decide(
            failure,
            copied=copied,
            said=said,
            continued=target.so_far is not None,
            over=over,
            can_continue=can_continue,
            on_interrupt=on_interrupt,
            fallbacks_left=fallbacks_left,
        )

    async def _seal(self, end: Completed | Failed | Cancelled) -> JobEnd:
        if self.writer is None:
            return JobEnd.LEFT
        self._sealing = True
        return await self._end.seal(end, self.writer, self._target)
