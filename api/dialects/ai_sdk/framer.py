"""A log as the chunks of one UI message, from its start."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from api.dialects.ai_sdk.chunks import FINISH_REASONS, chunk
from api.dialects.ai_sdk.opening import message_begin
from api.dialects.ai_sdk.parts import SaidPart
from api.dialects.ai_sdk.sources import Sources
from api.dialects.ai_sdk.tool_calls import ToolCalls
from api.viewing.dialect import Subject
from shared.errors import TooDeepError
from shared.log import events
from shared.log.entry import RawEntry
from shared.record import DialectName

NAME: DialectName = "ai-sdk"
_PREFIX_CHARS = 8
"""Characters of a generation's id that tell its parts from those of others in the same message."""


class _Delta(msgspec.Struct, gc=False):
    part: int
    delta: msgspec.Raw


_read_delta = msgspec.json.Decoder(_Delta).decode


class UiMessageFramer:
    """The chunks of one log. When an attempt starts over, they begin anew, with the same message: see `epoch`."""

    def __init__(self, subject: Subject) -> None:
        self.epoch = 1
        self._subject = subject
        self._begin_anew()

    def _begin_anew(self) -> None:
        prefix = self._subject.id.removeprefix("gen_")[:_PREFIX_CHARS]
        self._said = False
        self._calls = ToolCalls(prefix, self._subject.echo.get("calls") or ())
        self._sources = Sources(f"source_{prefix}")
        self._parts: list[SaidPart] = []
        self._places: list[SaidPart] = []
        """The parts by their index in the newest attempt."""
        self._usage: events.Usage | None = None

    def opening(self) -> Sequence[bytes]:
        """Implements `Framer.opening`: the message, and the beginning of its step."""
        return message_begin(self._subject)

    def frames(self, entry: RawEntry) -> Sequence[bytes]:
        """Implements `Framer.frames`."""
        type, data = entry[1]
        if type == b"delta":
            # Nearly every event of a long log is one. Its text goes on as the JSON that it is.
            delta = _read_delta(data)
            if not 0 <= delta.part < len(self._places):
                return self._unannounced(data)
            made = self._places[delta.part].grow(bytes(delta.delta))
            self._said = self._said or bool(made)
            return made
        name = type.decode()
        if name not in events.EVENT_TYPES or name == events.Raw.type:
            return ()
        try:
            event = events.decode(name, data)
        except TooDeepError:
            return ()
        if isinstance(event, events.Attempt):
            return self._begin(event)
        made = self._frames_of(event)
        self._said = self._said or bool(made)
        return made

    def _unannounced(self, data: bytes) -> Sequence[bytes]:
        """Returns the chunks of a delta whose part no event has announced, as old logs have them."""
        delta = events.decode(events.Delta.type, data)
        assert isinstance(delta, events.Delta)
        begun = self._open(events.Part(part=delta.part, kind=delta.kind))
        self._said = True
        return (*begun, *self._places[delta.part].grow(msgspec.json.encode(delta.delta)))

    def _begin(self, attempt: events.Attempt) -> Sequence[bytes]:
        if attempt.continues:
            self._places = []
            return ()
        over = self._said
        if over:
            self.epoch = attempt.number
        self._begin_anew()
        return message_begin(self._subject) if over else ()

    def _frames_of(self, event: events.AnyEvent) -> Sequence[bytes]:
        match event:
            case events.Part():
                return self._open(event)
            case events.PartEnd() if 0 <= event.part < len(self._places):
                part = self._places[event.part]
                part.take(event)
                return self._end_part(part)
            case events.Annotation():
                return self._sources.of(event.fields)
            case events.UsageReport():
                self._usage = event.usage
            case events.Completed() | events.Failed() | events.Cancelled():
                return self._end(event)
        return ()

    def _open(self, event: events.Part) -> Sequence[bytes]:
        if not 0 <= event.part <= len(self._places):
            raise ValueError(f"part {event.part} does not follow part {len(self._places) - 1}")
        if event.part < len(self._places):
            part = self._places[event.part]
            part.take(event)
            return self._calls.name(part) if part.kind == "tool_call" and not part.ended else ()
        if event.resumes is True and (broken := self._broken_off(event)) is not None:
            broken.take(event)
            self._places.append(broken)
            return ()
        part = SaidPart(event.kind, f"{len(self._parts)}")
        part.take(event)
        self._places.append(part)
        self._parts.append(part)
        part.keeps = part.kind in ("tool_call", "tool_result", "file")
        if part.kind != "tool_call":
            return part.begin()
        part.id = self._calls.id_of(part.call_id)
        return self._calls.begin(part)

    def _broken_off(self, event: events.Part) -> SaidPart | None:
        item_id = None if event.item_id is UNSET else event.item_id
        same = (part for part in reversed(self._parts) if part.kind == event.kind and part.item_id == item_id)
        return next((part for part in same if not part.ended), None)

    def _end_part(self, part: SaidPart) -> Sequence[bytes]:
        if part.kind == "tool_call":
            return self._calls.end(part)
        if part.kind == "tool_result" and not part.ended:
            part.ended = True
            return self._calls.result(part)
        return part.end()

    def _end(self, event: events.Completed | events.Failed | events.Cancelled) -> Sequence[bytes]:
        """Returns the last chunks. Only what ends texts is said of a part that broke off."""
        made: list[bytes] = []
        whole = isinstance(event, events.Completed) and event.finish_reason not in ("length", "paused")
        for part in self._parts:
            if whole or part.kind in ("text", "reasoning", "refusal"):
                made += self._end_part(part)
        if whole:
            made += self._calls.rest()
        match event:
            case events.Completed():
                reason = FINISH_REASONS[event.finish_reason]
                made += [chunk("finish-step"), chunk("finish", finishReason=reason, messageMetadata=self._used(event))]
            case events.Failed():
                made.append(chunk("error", errorText=event.message))
            case events.Cancelled():
                made.append(chunk("abort", reason="cancelled"))
        return made

    def _used(self, end: events.Completed) -> dict[str, Any] | None:
        said: dict[str, Any] = {}
        if (usage := end.usage or self._usage) is not None:
            said["usage"] = {
                "inputTokens": usage.input_tokens,
                "outputTokens": usage.output_tokens,
                "totalTokens": usage.input_tokens + usage.output_tokens,
                "reasoningTokens": usage.reasoning_tokens,
                "cachedInputTokens": usage.cached_tokens,
            }
        if end.cost is not None:
            said["cost"] = {"amount": end.cost.amount, "currency": end.cost.currency}
        return said or None
