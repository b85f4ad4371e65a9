"""What every provider adapter is: one upstream protocol turned into our events, and nothing else."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from shared.errors import MidstreamError
from shared.log.events import Annotation, Completed, Delta, Part, PartEnd, Raw, Response, UsageReport
from shared.log.snapshots import Snapshot
from shared.request.generation_request import GenerationRequest

ProviderEvent = Response | Part | Delta | Annotation | PartEnd | Raw | UsageReport | Completed


class Pause(list[ProviderEvent]):
    """An empty list of events: nothing may come now for so many seconds, and that is no failure."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def adds(events: Sequence[ProviderEvent]) -> bool:
    """Says whether any of the answer itself is among these events."""
    return any(isinstance(event, Delta | Part) for event in events)


ErrorCode = Literal[
    "authentication", "permission", "not_found", "bad_request", "context_length", "content_filter",
    "rate_limit", "overloaded", "provider_error", "provider_timeout", "connection", "invalid_response",
    "incomplete_stream", "worker_exhausted",
]  # fmt: skip


class ProviderError(MidstreamError):
    """The provider's answer is an error, or no answer. Its text is safe to show: no key, prompt or answer.

    `retryable`: the same request may succeed later. `retry_after`: seconds the provider asked for, None if it
    did not. `status`: the HTTP status of its answer, or that its error names, None where there was neither. `over`: it
    is the answer that has failed and not the connection, so there is nothing to go on with.
    """

    over = False

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status


class Provider(Protocol):
    """An adapter to one endpoint."""

    name: str
    idle_timeout: float | None
    """Seconds of silence that end a call, where the request does not say; None: the worker's."""

    def continues(self, request: GenerationRequest, model: str, so_far: Snapshot) -> bool:
        """Says whether an answer that broke off after `so_far` can go on there."""

    def stream(
        self, request: GenerationRequest, model: str, so_far: Snapshot | None = None
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yields the answer, or what follows `so_far` of it: lists of events, one for what arrived together.

        `Completed` comes last. A sign of life that gives no event, as a keep-alive, is an empty list. Closing the
        generator, or cancelling the task that reads it, closes the connection; reading on after `Completed`, at most
        0.1 s, keeps it for the next request.
        Raises ProviderError, also where the stream ends with neither the protocol's terminal marker nor a finish
        reason.
        """

    async def cancel(self, request: GenerationRequest, response_id: str) -> None:
        """Ends an answer to this request that goes on although its connection was closed; does nothing where none does.

        It is a try, of 5 s at most, which does not say whether it succeeded.
        """

    async def aclose(self) -> None:
        """Closes idle connections."""
