"""One call of a provider as a step of a trace: what it was answered with, or why it was not."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from shared.log.events import Completed
from shared.tracing.tracing import NO_CALL, CallSpan
from worker.providers.provider import ProviderError
from worker.writing.writer import LogFullError, Writer


def no_call() -> CallSpan:
    """Returns a step that nobody records."""
    return NO_CALL


class CallStep:
    """A call that begins where this is entered, and ends where it is left."""

    def __init__(self, begin: Callable[[], CallSpan], writer: Writer) -> None:
        self._begin = begin
        self._writer = writer
        self._before = writer.usage
        self._completed: Completed | None = None
        self.span = NO_CALL

    def __enter__(self) -> Self:
        self.span = self._begin()
        return self

    def completed(self, end: Completed) -> Completed:
        """Notes, and returns, the end of a whole answer."""
        self._completed = end
        return end

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.span is NO_CALL:
            return
        # A call that was not counted has what an earlier one was.
        usage = self._writer.usage if self._writer.usage is not self._before else None
        end = self._completed
        if end is not None:
            usage = end.usage or usage
        self.span.answered(self._writer.response, usage, end.finish_reason if end is not None else None)
        self.span.end(None if error is None else _kind(error))


def _kind(error: BaseException) -> str:
    if isinstance(error, ProviderError):
        return error.code
    if isinstance(error, LogFullError):
        return "too_long"
    # A deadline, a cancel and a drain all cancel the task; anything else is a defect.
    return "_OTHER" if isinstance(error, Exception) else "cancelled"
