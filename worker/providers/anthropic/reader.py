"""Reading a Messages stream (API reference: "Streaming messages")."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shared.log.events import (
    Annotation,
    Completed,
    Delta,
    Part,
    PartEnd,
    PartKind,
    Raw,
    Response,
    Usage,
    UsageReport,
)
from shared.sse_decoder import ServerSentEvent
from worker.providers.anthropic.usage import Counted
from worker.providers.error_shapes import failure_in
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, is_json, meaning, reason_of
from worker.providers.lenient_json import decode, read_object
from worker.providers.provider import ProviderEvent

PROTOCOL = "anthropic"
SIGNATURE_ORIGIN = "anthropic"
"""Their `provider` in our events: signatures and encrypted reasoning are worth something at this provider only."""


class _Message(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: Any = None
    container: Any = None
    diagnostics: Any = None


class _Delta(Struct, gc=False, forbid_unknown_fields=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: Any = None
    stop_details: Any = None
    container: Any = None


class _Event(Struct, gc=False, forbid_unknown_fields=True):
    type: str = ""
    index: int = -1
    delta: _Delta | None = None
    message: _Message | None = None
    content_block: dict[str, Any] | None = None
    usage: Any = None
    error: Any = None
    request_id: Any = None


class _Block(Struct):
    """An open content block. `given` is what its start already held, for use where no delta says it."""

    part: int
    kind: PartKind
    given: str = ""
    pieces: list[str] = msgspec.field(default_factory=list)
    """What a call has grown by."""
    grown: bool = False
    signature: str = ""
    encrypted: str = ""


_GROWTH = frozenset({"text_delta", "thinking_delta", "input_json_delta"})
_DELTAS = _GROWTH | {"signature_delta", "citations_delta"}
_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"
_TEXTS = ("text", "thinking", "signature", "data", "id", "name", "tool_use_id", "file_id")

_READ: dict[str, frozenset[str]] = {
    "text": frozenset({"text", "citations"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
    "container_upload": frozenset({"file_id"}),
    **dict.fromkeys(_CALLS, frozenset({"id", "name", "input"})),
}
"""Fields of a content block that are in our events; of a tool's result they are `tool_use_id` and `content`."""

_KNOWN = frozenset(
    {"message_start", "message_delta", "message_stop", "content_block_start", "content_block_stop", "ping", "error"}
)  # fmt: skip

_events = msgspec.json.Decoder(_Event)


class MessagesReader:
    """The state of one answer. Content blocks are parts one to one; what is of an unknown type is a raw event."""

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self._name = name
        self._parts = 0
        self._open: dict[int, _Block] = {}
        self._counted = Counted()
        self._usage: Usage | None = None
        self.finish_reason = Finish()
        self._id: str | None = None
        self._called = False
        """A tool was called that the caller runs."""

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: gateways that speak several protocols end all of them with it."""
        if self.finish_reason.stands:
            self.finish(b"", events)

    def read(self, sent: ServerSentEvent, events: list[ProviderEvent]) -> None:
        before, reason, data = len(events), None, sent.data
        event, unknown = decode(self._name, _events, data)
        event.type = event.type or sent.event
        if unknown:
            self._remember(event, unknown, events)
        match event.type:
            case "content_block_delta":
                self._grow(event, data, events)
            case "content_block_start":
                self._start(event.index, event.content_block or {}, events)
            case "content_block_stop":
                self._stop(event, data, events)
            case "message_start" if event.message is not None:
                self._begin(event.message, events)
            case "message_delta":
                if event.delta is not None:
                    reason = reason_of(self._name, event.delta.stop_reason)
                    told = ("stop_sequence", "stop_details", "container")
                    self._remark("message_delta", "delta", event.delta, told, events)
                self._count(event.usage, events)
            case "message_stop":
                self._end(events)
            case "error":
                raise from_event(self._name, event.error)
            case "ping":
                pass
            case _:
                if (failure := failure_in(self._name, read_object(self._name, data))) is not None:
                    raise failure
                self._keep(data, events)
        if reason or self.finish_reason.reason:
            self.finish_reason.read(reason, events[before:], counts=event.usage is not None)

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`.

        Without `message_stop` the answer is whole if its stop reason came and no call was cut.
        """
        self.finish_reason.check(self._name, unfinished, "stop_reason")
        calls = (block for block in self._open.values() if block.kind == "tool_call")
        if meaning(self.finish_reason.reason, called=True) != "length" and not all(
            is_json("".join(call.pieces)) for call in calls
        ):
            raise problem(self._name, "incomplete_stream", "half of a tool call")
        self._end(events)

    def _remember(self, event: _Event, unknown: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Keeps fields that we do not know of an event that is read."""
        if self._understands(event):
            if isinstance(fields := unknown.get("delta"), dict) and event.delta is not None:
                unknown["delta"] = {"type": event.delta.type, **fields}
            place = {"type": event.type} | ({"index": event.index} if event.index >= 0 else {})
            events.append(Raw(protocol=PROTOCOL, data=place | unknown))

    def _understands(self, event: _Event) -> bool:
        """Says whether the event is read at all; one that is not is kept whole."""
        if event.type == "content_block_delta":
            return event.index in self._open and event.delta is not None and event.delta.type in _DELTAS
        return event.type in _KNOWN and (event.type != "content_block_stop" or event.index in self._open)

    def _keep(self, data: bytes, events: list[ProviderEvent]) -> None:
        events.append(Raw(protocol=PROTOCOL, data=read_object(self._name, data)))

    def _begin(self, message: _Message, events: list[ProviderEvent]) -> None:
        self._id = message.id
        events.append(
            Response(response_id=message.id or UNSET, model=message.model or UNSET, request_id=self.request_id)
        )
        self._remark("message_start", "message", message, ("container", "diagnostics"), events)
        self._count(message.usage, events)

    def _remark(self, kind: str, place: str, said: Struct, fields: Sequence[str], events: list[ProviderEvent]) -> None:
        """Keeps what is said of the whole answer and has no place in our events."""
        if kept := {name: value for name in fields if (value := getattr(said, name)) is not None}:
            events.append(Raw(protocol=PROTOCOL, data={"type": kind, place: kept}))

    def _start(self, index: int, content: dict[str, Any], events: list[ProviderEvent]) -> None:
        kind = str(content.get("type"))
        if (begun := _begun(self._parts, kind, content)) is None:
            events.append(_start_of(index, content))
            return
        part, block = begun
        self._parts += 1
        self._open[index] = block
        self._called = self._called or part.executor == "client"
        events.append(part)
        if block.kind in ("text", "reasoning") and block.given:
            events.append(Delta(part=block.part, kind=block.kind, delta=block.given))
        if block.kind == "text":
            for citation in content.get("citations") or ():
                events.append(Annotation(part=block.part, fields=citation))
        if rest := _rest(kind, content):
            events.append(_start_of(index, {"type": kind, **rest}))

    def _grow(self, event: _Event, data: bytes, events: list[ProviderEvent]) -> None:
        block, delta = self._open.get(event.index), event.delta
        if block is None or delta is None:
            self._keep(data, events)
        elif delta.type in _GROWTH:
            if text := delta.text or delta.thinking or delta.partial_json:
                block.grown = True
                if block.kind == "tool_call":
                    block.pieces.append(text)
                events.append(Delta(part=block.part, kind=block.kind, delta=text))
        elif delta.type == "signature_delta":
            block.signature = delta.signature or ""
        elif delta.type == "citations_delta" and delta.citation is not None:
            events.append(Annotation(part=block.part, fields=delta.citation))
        else:
            self._keep(data, events)

    def _stop(self, event: _Event, data: bytes, events: list[ProviderEvent]) -> None:
        if (block := self._open.pop(event.index, None)) is not None:
            _close(block, events)
        else:
            self._keep(data, events)

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        """Takes counts in; they are cumulative, and one that is missing has not changed."""
        if counted is None:
            return
        usage = self._counted.add(counted)
        if usage is not None and (self._usage is None or self._usage.input_tokens != usage.input_tokens):
            events.append(UsageReport(usage=usage))
        self._usage = usage

    def _end(self, events: list[ProviderEvent]) -> None:
        self.ended = True
        for block in self._open.values():
            _close(block, events)
        if unmapped := self._counted.unmapped():
            events.append(Raw(protocol=PROTOCOL, data={"usage": unmapped}))
        events.append(
            Completed(
                finish_reason=meaning(self.finish_reason.reason, called=self._called),
                raw_finish_reason=self.finish_reason.reason,
                usage=self._usage,
                response_id=self._id,
            )
        )


def _begun(number: int, kind: str, content: dict[str, Any]) -> tuple[Part, _Block] | None:
    """Returns the part and the block of a content block that starts; None where its type is unknown."""
    said = {name: str(content.get(name) or "") for name in _TEXTS}
    match kind:
        case "text":
            return Part(part=number, kind="text"), _Block(number, "text", said["text"])
        case "thinking" | "redacted_thinking":
            block = _Block(number, "reasoning", said["thinking"], signature=said["signature"], encrypted=said["data"])
            return Part(part=number, kind="reasoning"), block
        case _ if kind in _CALLS:
            call = Part(part=number, kind="tool_call", call_id=said["id"] or f"call_{number}", name=said["name"])
            call.executor = "client" if kind == "tool_use" else "provider"
            return call, _Block(number, "tool_call", json.dumps(content.get("input") or {}, ensure_ascii=False))
        case "container_upload":
            return Part(part=number, kind="file", item_id=said["file_id"]), _Block(number, "file")
    if not kind.endswith(_RESULT):
        return None
    result = Part(part=number, kind="tool_result", call_id=said["tool_use_id"], executor="provider")
    result.name = kind.removesuffix(_RESULT)
    return result, _Block(number, "tool_result", json.dumps(content.get("content"), ensure_ascii=False))


def _close(block: _Block, events: list[ProviderEvent]) -> None:
    if block.kind in ("tool_call", "tool_result") and not block.grown:
        # A call without arguments has empty fragments; results, and some endpoints' calls, come whole.
        events.append(Delta(part=block.part, kind=block.kind, delta=block.given))
    events.append(
        PartEnd(
            part=block.part,
            signature=block.signature or UNSET,
            encrypted=block.encrypted or UNSET,
            provider=SIGNATURE_ORIGIN if block.signature or block.encrypted else UNSET,
        )
    )


def _start_of(index: int, content: dict[str, Any]) -> Raw:
    return Raw(protocol=PROTOCOL, data={"type": "content_block_start", "index": index, "content_block": content})


def _rest(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Returns what a block says beside what is in our events; that it calls a tool itself is the rule."""
    read = _READ.get(kind, frozenset({"tool_use_id", "content"})) | {"type"}
    rest = {name: value for name, value in content.items() if name not in read and value is not None}
    if rest.get("caller") == {"type": "direct"}:
        del rest["caller"]
    return rest
