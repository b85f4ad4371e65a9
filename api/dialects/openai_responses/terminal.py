"""How a response ends, by the end of its log."""

from typing import Any, Literal, NamedTuple

from api.dialects.openai_responses.errors import in_stream
from shared.log import events

_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete, by its finish reason."""

EndStatus = Literal["completed", "incomplete", "failed", "cancelled"]


class Ending(NamedTuple):
    """The end of a response."""

    status: EndStatus
    completed_at: int | None = None
    cut: str | None = None
    error: dict[str, Any] | None = None

    @property
    def type(self) -> str:
        """Returns the type of the event that tells it.

        No published type tells that somebody cancelled it. SDKs take `response.incomplete` with any status.
        """
        return "response.incomplete" if self.status == "cancelled" else f"response.{self.status}"


def ending_of(event: events.Completed | events.Failed | events.Cancelled, token: int) -> Ending:
    """Returns the end that the last event of a log says; `token` is that of its id.

    A provider that paused can go on with what it said: there is no word for that, and the answer is not complete.
    """
    match event:
        case events.Completed() if event.finish_reason in _CUT or event.finish_reason == "paused":
            return Ending("incomplete", cut=_CUT.get(event.finish_reason))
        case events.Completed():
            return Ending("completed", completed_at=(token + event.t) // 1000)
        case events.Failed():
            return Ending("failed", error=in_stream(event))
        case events.Cancelled():
            return Ending("cancelled")
