"""The steps of one generation on this worker, in the trace of the request that was accepted: its job, its attempts."""

from collections.abc import Callable

import msgspec

from shared.config.provider_settings import ProviderSettings
from shared.log.events import Attempt, Cancelled, Completed, Failed
from shared.log.guarded_log import Claim
from shared.record import Record
from shared.storage.keys import QUEUE_KEY
from shared.tracing import conventions as words
from shared.tracing.trace_context import TraceContext
from shared.tracing.tracing import CallSpan, Endpoint, Span, Tracing
from worker.running.call_step import no_call
from worker.running.log_lines import shown

PROCESS = {
    words.MESSAGING_SYSTEM: "redis",
    words.MESSAGING_DESTINATION: QUEUE_KEY,
    words.MESSAGING_OPERATION: "process",
    words.MESSAGING_OPERATION_TYPE: "process",
}


class RunSteps:
    """Begins and ends the spans of one generation's run. A worker that is killed leaves those that had not ended."""

    def __init__(self, tracing: Tracing, record: Record) -> None:
        self._tracing = tracing
        self._record = record
        self._attempt = Span()
        self._error: str | None = None
        message = {words.MESSAGING_MESSAGE: record.id}
        self._job = tracing.span(f"process {QUEUE_KEY}", "consumer", record.trace, PROCESS | message)

    @property
    def trace(self) -> TraceContext | None:
        """The trace of the job: that of the record, also where nothing is recorded; None where it has none."""
        return self._job.trace

    def attempt(self, claim: Claim) -> None:
        """Begins the step of an attempt that was claimed; the one before it has ended."""
        self._attempt.end()
        if not self._tracing.on:
            return
        begun = msgspec.json.decode(claim.first, type=Attempt)
        self._job.say({"midstream.queued_ms": max(0, claim.token - claim.elapsed_ms - self._record.created_ms)})
        attributes = {
            "midstream.attempt.number": begun.number,
            "midstream.attempt.reason": begun.reason,
            "midstream.attempt.continues": begun.continues,
            "midstream.attempt.cached": begun.cached is True,
            "midstream.attempt.model": shown(begun.model),
        }
        self._attempt = self._tracing.span("attempt", "internal", self._job.trace, attributes)

    def calls(self, provider: str, endpoint: ProviderSettings | None, model: str) -> Callable[[], CallSpan]:
        """Returns what begins a step for each call of the newest attempt; without an endpoint nobody is called."""
        if endpoint is None or not self._tracing.on:
            return no_call
        parent, asked, name = self._attempt.trace, Endpoint(provider, endpoint.address), shown(model)
        return lambda: self._tracing.call(parent, asked, name)

    def failed(self, code: str) -> None:
        """Ends the attempt's step: it has failed, and another may follow."""
        self._attempt.end(code)

    def ended(self, end: Completed | Failed | Cancelled) -> None:
        """Ends the attempt's step as the generation ends."""
        self._error = end.code if isinstance(end, Failed) else None
        self._attempt.end(self._error)

    def end(self) -> None:
        """Ends what has not ended: the worker lets the generation go."""
        self._attempt.end()
        self._job.end(self._error)
