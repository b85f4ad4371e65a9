"""What a Messages stream is made of (API reference: "Streaming messages"): the fields that we read."""

from typing import Any

import msgspec
from msgspec import Struct

from shared.sse_decoder import ServerSentEvent
from worker.providers.lenient_json import fit, read_object

KINDS = frozenset(
    {"message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta",
     "content_block_stop", "ping", "error"}
)  # fmt: skip
WHOLE_MESSAGE = "message"
"""The type of an answer in one JSON document."""


class Message(Struct, gc=False):
    """An answer, of which the stream's first event has all but the content, and a document all."""

    id: str | None = None
    model: str | None = None
    content: Any = None
    usage: Any = None
    stop_reason: str | None = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: Any = None
    diagnostics: Any = None


class EventDelta(Struct, gc=False, forbid_unknown_fields=True):
    """What a content block grows by, or what is said of the whole answer at its end."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | dict[str, Any] | list[Any] | None = None
    """A fragment of JSON text; some endpoints put the whole value there."""
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: Any = None
    usage: Any = None

    @property
    def says(self) -> bool:
        """Says whether a block grows by it."""
        return bool(self.text or self.thinking or self.partial_json)


class MessagesEvent(Struct, gc=False, forbid_unknown_fields=True):
    """One event of the stream."""

    type: str = ""
    index: int = -1
    delta: EventDelta | None = None
    message: Message | None = None
    content_block: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None
    request_id: Any = None


_events = msgspec.json.Decoder(MessagesEvent)


def read_messages_event(name: str, sent: ServerSentEvent) -> tuple[MessagesEvent, dict[str, Any]]:
    """Returns an event of provider `name`, of a type that is known if any can be, and what of it is unknown.

    Raises ProviderError `invalid_response` for what is no JSON object.
    """
    try:
        event = _events.decode(sent.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event, unknown = fit(read_object(name, sent.data), MessagesEvent)
    else:
        if event.type in KINDS:
            return event, {}
        unknown = {}
    if event.type not in KINDS and event.type != WHOLE_MESSAGE:
        event.type = _type_of(event, sent.event, unknown)
    if isinstance(fields := unknown.get("message"), dict):
        # The whole message is not a list of fields that we know: only what does not fit these is told.
        if not (fields := {name: fields[name] for name in fields if name in Message.__struct_fields__}):
            del unknown["message"]
        else:
            unknown["message"] = fields
    if isinstance(fields := unknown.get("delta"), dict) and event.delta is not None:
        unknown["delta"] = {"type": event.delta.type, **fields}
    return event, unknown


def _type_of(event: MessagesEvent, name: str, unknown: dict[str, Any]) -> str:
    """Returns the type of an event whose JSON has none that is known: its name, else what its fields show."""
    if name in KINDS:
        return name
    if event.type:
        return event.type
    if event.content_block is not None:
        return "content_block_start"
    if event.delta is not None:
        return "message_delta" if event.delta.stop_reason is not None else "content_block_delta"
    if event.message is not None:
        return "message_start"
    return WHOLE_MESSAGE if {"role", "content"} <= unknown.keys() else ""
