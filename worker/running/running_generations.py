"""The generations on this worker: run from the queue, stopped from outside."""

import asyncio
import time
from collections.abc import Callable

from shared.generations.generations import Found
from shared.log.guarded_log import WriteOutcome
from shared.process import log_context
from shared.storage.clock import read_server
from worker.requests.kept_request import KeptRequest
from worker.requests.newer_requests import NewerRequests
from worker.running.continuation import Continuation
from worker.running.generation_end import JobEnd, Stop
from worker.running.generation_run import GenerationRun
from worker.running.run_steps import RunSteps
from worker.running.services import WorkerServices


class RunningGenerations:
    """Runs generations, many at a time; `stop` and `stop_all` end them from outside."""

    def __init__(self, services: WorkerServices) -> None:
        self.services = services
        self.running: dict[str, GenerationRun] = {}
        self._newer = NewerRequests()

    async def run(self, generation_id: str, leased_until: Callable[[], float]) -> JobEnd:
        """Runs a generation to its end, or to the end of what this worker may do for it.

        `leased_until` returns when the job's lease ends (time.monotonic): by then, the claim must have been made.
        Raises redis.exceptions.RedisError where the record or the claim cannot be had.
        """
        found = await self.services.generations.find(generation_id, request=True)
        while (missing_ms := await self._not_restored_ms(found)) > 0:
            del found  # meanwhile the request would stay
            await asyncio.sleep(missing_ms / 1000)
            found = await self.services.generations.find(generation_id, request=True)
        ahead_ms = found.now_ms - time.monotonic() * 1000
        record = found.record
        if record is not None and record.state == "cancelled" and record.on_interrupt == "continue":
            # Between two attempts, by the API, which talks to no provider.
            earlier = Continuation(
                self.services, record, KeptRequest(self.services.generations, record, found.request, found.asked)
            )
            await earlier.read_log()
            earlier.let_go()
            await earlier.ended()
        if record is None or record.seal is not None:
            return JobEnd.DONE  # it stays pending until the sweeper knows that this end is on disk
        log_context.tell(generation=generation_id, owner=record.owner)
        if record.trace is not None:
            log_context.tell(trace=record.trace.trace_id)
        kept = KeptRequest(self.services.generations, record, found.request, found.asked)
        del found  # or the request would stay as long as its answer takes
        steps = RunSteps(self.services.tracing, record)
        if steps.trace is not None:
            log_context.tell(trace=steps.trace.trace_id)
        run = GenerationRun(
            self.services, record, kept, self._newer, lambda: int(leased_until() * 1000 + ahead_ms), steps
        )
        self.running[generation_id] = run
        self.services.activity.count("started")
        try:
            end = await run.to_the_end()
            if end is JobEnd.DONE:
                self.services.activity.count("ended")
            return end
        finally:
            steps.end()
            del self.running[generation_id]

    async def _not_restored_ms(self, found: Found) -> int:
        """Returns the ms for which another worker may still write again what the log's Redis came back without.

        Where that is the queue's Redis too, nothing is taken meanwhile. A generation that is younger than a lease has
        been given to no other worker before.
        """
        record = found.record
        if not self.services.settings.queue_apart or record is None or record.seal is not None:
            return 0
        if found.now_ms - record.created_ms < self.services.settings.lease * 1000:
            return 0
        server = await read_server(self.services.log.redis)
        if record.created_ms >= server.began_ms:
            return 0
        return server.left_ms(self.services.generations.durability.rewritten_ms)

    def stop(self, generation_id: str, why: Stop) -> None:
        """Stops a generation, if it runs here."""
        if run := self.running.get(generation_id):
            run.stop(why)

    def stop_all(self, why: Stop) -> None:
        """Stops all generations that run here."""
        for run in list(self.running.values()):
            run.stop(why)

    def give_up(self, generation_id: str) -> None:
        """Stops a generation whose lease has run out unnoticed, before it writes another byte."""
        if run := self.running.get(generation_id):
            if run.writer is not None and run.writer.outcome is None:
                run.writer.lose(WriteOutcome.FENCED)
            run.stop("lease")
