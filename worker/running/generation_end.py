"""The end of one generation on this worker: sealed, handed over or deleted, with its bill."""

import asyncio
from enum import Enum
from typing import Literal

from msgspec.structs import replace
from redis.exceptions import RedisError

from shared.log.events import Cancelled, Completed, Failed, encode
from shared.log.guarded_log import WriteOutcome
from shared.record import Record
from shared.usage import ended
from worker.billing.bill import Bill, count_deleted
from worker.requests.kept_request import KeptRequest
from worker.running import log_lines
from worker.running.attempt_claims import Target
from worker.running.continuation import Continuation
from worker.running.run_steps import RunSteps
from worker.running.services import WorkerServices
from worker.running.timings import say_times
from worker.writing.writer import DEFECT_END, StopReason, Writer

HAND_OVER_S = 2.0
"""Seconds that a leaving worker waits for the log to have what was said so far."""

Stop = Literal["cancel", "drain"] | StopReason
"""Why a generation is stopped: cancelled, this worker leaves, or the log wants or can take no more."""


class JobEnd(Enum):
    """What becomes of the job in the queue."""

    DONE = "done"
    BACK = "back"
    """Another worker may take it at once."""
    LEFT = "left"
    """Neither: it is another's, or the lease runs out and with it comes the next try."""


class GenerationEnd:
    """Ends a generation with the writer of its newest attempt, whose target says what goes on at a provider."""

    def __init__(
        self,
        services: WorkerServices,
        record: Record,
        kept: KeptRequest,
        earlier: Continuation,
        steps: RunSteps,
    ) -> None:
        self.unpaid = set[int]()
        """Tokens of attempts here that no provider charges for."""
        self._services = services
        self._record = record
        self._kept = kept
        self._earlier = earlier
        self._steps = steps

    async def seal(self, end: Completed | Failed | Cancelled, writer: Writer, target: Target) -> JobEnd:
        """Writes the terminal event, and waits until the log has it."""
        self._steps.ended(end)
        end.usage = end.usage or writer.usage
        await self._bill().close(end, writer, self._services.log)
        say_times(end, self._record, writer, target.so_far)
        writer.put(end)
        writer.ended = ended(self._record, writer.first, writer.token, end)
        await writer.caught_up()
        if writer.outcome is WriteOutcome.FENCED:
            return JobEnd.LEFT
        if writer.outcome is WriteOutcome.OK:
            self._tell(end, writer, target)
        if writer.outcome is WriteOutcome.GONE:
            await self._count_deleted(writer)
        if not isinstance(end, Completed):
            self._let_go(writer, target)
        return JobEnd.DONE

    async def stopped(self, why: Stop | None, writer: Writer | None, target: Target) -> JobEnd:
        """Ends a generation that was stopped."""
        if why == "gone":
            self._let_go(writer, target)
            if writer is not None:
                await self._count_deleted(writer)
            return JobEnd.DONE
        if why == "lease":
            return JobEnd.LEFT
        if writer is None:
            return JobEnd.BACK
        if why == "cancel":
            return await self.seal(Cancelled(), writer, target)
        if why == "defect":
            return await self.seal(replace(DEFECT_END), writer, target)
        if why == "full":
            return await self.seal(
                Failed(
                    code="storage_full",
                    message="Redis has no room for more: its memory or its disk is full.",
                    retryable=True,
                ),
                writer,
                target,
            )
        return await self._hand_over(writer, target)

    async def _hand_over(self, writer: Writer, target: Target) -> JobEnd:
        """Leaves the generation to another worker; ends it where it has begun to answer and must not start over."""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                if self._record.on_interrupt == "fail" and writer.said_something:
                    return await self.seal(
                        Failed(
                            code="worker_lost",
                            message="The worker that ran it was replaced, and it must not start over.",
                            retryable=True,
                        ),
                        writer,
                        target,
                    )
                await writer.caught_up()
                cancelled = await self._cancelled_meanwhile(writer, target)
                outcome = await self._services.log.hand_over(
                    self._record.id, writer.token, "drained", cancelled=cancelled
                )
        except (TimeoutError, RedisError):
            return JobEnd.LEFT
        return JobEnd.BACK if outcome is WriteOutcome.OK else JobEnd.DONE

    def _tell(self, end: Completed | Failed | Cancelled, writer: Writer, target: Target) -> None:
        endpoint = None
        if isinstance(end, Failed) and target.replay is None and end.code != "worker_exhausted":
            endpoint = self._services.providers.endpoints.get(target.provider)
        ms = max(0, writer.token - self._record.created_ms) + writer.elapsed_ms
        log_lines.end(self._record, target.name, writer.number, ms, end, endpoint)

    def _let_go(self, writer: Writer | None, target: Target) -> None:
        """Ends what goes on at the provider, as nobody will read on; not what is another generation's."""
        if writer is not None and writer.response is not None and target.replay is None:
            self._earlier.end(target.provider, writer.response.response_id)
        else:
            self._earlier.let_go()

    async def _count_deleted(self, writer: Writer) -> None:
        use = self._services
        if counted := await count_deleted(self._record, self._bill(), writer, use.generations, use.log):
            use.observer.counted([counted])

    def _bill(self) -> Bill:
        return Bill(self._services.prices, self._kept.characters, self.unpaid)

    async def _cancelled_meanwhile(self, writer: Writer, target: Target) -> bytes:
        """Returns the end that the generation has if it is cancelled before another worker claims it.

        Returns no bytes where its bill takes long.
        """
        end = Cancelled(usage=writer.usage)
        try:
            async with asyncio.timeout(HAND_OVER_S / 2):
                await self._bill().close(end, writer, self._services.log, itemised=True)
        except TimeoutError:
            return b""
        say_times(end, self._record, writer, target.so_far)
        return encode(end)
