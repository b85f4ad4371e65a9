"""What is told of the steps that a generation takes, and of each call of a provider. By default nobody hears it."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from shared.log.events import Response, Usage
from shared.tracing.trace_context import TraceContext

Kind = Literal["server", "producer", "consumer", "internal", "client"]
"""What a step is to others (OpenTelemetry, "SpanKind")."""
Attributes = Mapping[str, str | int | float | bool | Sequence[str]]


class Span:
    """One step; this one is not recorded. What is told of it is never what was asked or answered."""

    __slots__ = ("trace",)

    def __init__(self, trace: TraceContext | None = None) -> None:
        self.trace = trace
        """What the next step is given."""

    def say(self, attributes: Attributes, name: str | None = None) -> None:
        """Adds to what is known of the step, and says its name again."""

    def end(self, error: str | None = None) -> None:
        """Ends the step, by a failure of this kind where one is named. Only the first end counts."""


class Endpoint(NamedTuple):
    """Whom a call asks."""

    provider: str
    """Our name for it."""
    address: str
    """Its URL."""


class CallSpan(Span):
    """One call of a provider."""

    __slots__ = ()

    def heard(self) -> None:
        """Notes that a piece of the answer has come."""

    def answered(self, response: Response | None, usage: Usage | None, finish_reason: str | None) -> None:
        """Notes what the provider calls its answer, what was used, and why it ended; called before `end`."""


class Tracing:
    """Begins spans; here they are not recorded, and a trace that a caller has begun is only passed on."""

    on = False
    """Whether anything is recorded: else nothing need be told."""

    def span(self, name: str, kind: Kind, parent: TraceContext | None, attributes: Attributes) -> Span:
        """Returns a step that has begun, within this one of another process or of this; a new trace where it is None.

        `attributes` say which; those that come later are `say`'s.
        """
        return Span(parent)

    def call(self, parent: TraceContext | None, endpoint: Endpoint, model: str) -> CallSpan:
        """Returns a call of a provider that begins."""
        return NO_CALL

    async def aclose(self) -> None:
        """Sends what was recorded, as far as that is possible in a moment."""


NO_CALL = CallSpan()
NO_TRACING = Tracing()
