"""What a quirk is: a change to a good answer, in the protocols in which it was seen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulator.quirks.event import Event
from simulator.request import RequestRefusedError

Change = Callable[[Iterator[Event]], Iterator[Event]]
"""From the events of a good answer to those that are sent."""

CHAT: Final = "openai_chat"
RESPONSES: Final = "openai_responses"
MESSAGES: Final = "anthropic_messages"
GEMINI: Final = "gemini"
EVENT_STREAM_TYPE: Final = b"text/event-stream; charset=utf-8"
ALL: Final = (CHAT, RESPONSES, MESSAGES, GEMINI)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status in place of an answer."""

    refused: RequestRefusedError
    body: Any = None
    """The error's JSON where it is not the protocol's own."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One oddity. It changes the events, or stands in place of them."""

    name: str
    says: str
    """What is sent and who sends it, for the table in docs/providers.md."""
    events: Mapping[str, Change] = field(default_factory=dict)
    """By protocol."""
    documents: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """By protocol: from the whole answer to the one JSON document that is sent although a stream was asked for."""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    """By protocol."""
    content_type: bytes | None = EVENT_STREAM_TYPE
    """None sends no such header."""
    afterwards: Literal["keepalive", "stall", "reset"] | None = None
    """The fault that follows the last event, in place of the body's end."""

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that have it."""
        return tuple(name for name in ALL if name in {*self.events, *self.documents, *self.refusals})


def each(change: Callable[[Event], None]) -> Change:
    """A change that looks at one event at a time."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            change(event)
            yield event

    return changed


def everywhere(change: Change) -> dict[str, Change]:
    """The same change in all protocols."""
    return dict.fromkeys(ALL, change)


def numbered(change: Change) -> Change:
    """A change of a stream of Responses, whose events are numbered anew: it has neither gaps nor numbers twice."""

    def changed(events: Iterator[Event]) -> Iterator[Event]:
        number = 0
        for event in change(events):
            if isinstance(event.data, dict) and event.raw is None:
                event.data["sequence_number"] = number
                number += 1
            yield event

    return changed
