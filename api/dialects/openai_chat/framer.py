"""A log as the chunks of one stream, from its start (API reference: `chat.completion.chunk`)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from api.dialects.names import PREFIXES, name_of
from api.dialects.openai_chat import message
from api.dialects.openai_chat.beside import Beside
from api.dialects.openai_chat.calls import Calls
from api.dialects.openai_chat.chunks import Chunks, line
from api.dialects.openai_chat.errors import CANCELLED, in_stream
from api.dialects.openai_chat.parts import SaidPart, begun
from api.viewing.dialect import Subject
from shared.errors import TooDeepError
from shared.log import events
from shared.log.entry import RawEntry
from shared.record import DialectName

NAME: DialectName = "openai-chat"
_OPENING = {"role": "assistant", "content": ""}


class _Delta(msgspec.Struct, gc=False):
    part: int
    delta: msgspec.Raw
    logprobs: msgspec.Raw | UnsetType = UNSET


_read_delta = msgspec.json.Decoder(_Delta).decode


class ChatFramer:
    """The chunks of one log. When an attempt starts over, they begin anew under another name: see `epoch`."""

    def __init__(self, subject: Subject) -> None:
        self.epoch = 1
        self._subject = subject
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._chunks = Chunks(self._subject, name_of(PREFIXES[NAME], self._subject.id, self.epoch))
        self._said = False
        self._calls = Calls()
        self._beside = Beside()
        self._parts: list[SaidPart] = []
        self._places: list[SaidPart] = []
        """The parts by their index in the newest attempt."""
        self._usage: events.Usage | None = None

    def opening(self) -> Sequence[bytes]:
        """Implements `Framer.opening`: the chunk with the role."""
        return (Chunks(self._subject, name_of(PREFIXES[NAME], self._subject.id)).delta(_OPENING),)

    def frames(self, entry: RawEntry) -> Sequence[bytes]:
        """Implements `Framer.frames`."""
        type, data = entry[1]
        if type == b"delta":
            return self._grow(data)
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

    def _grow(self, data: bytes) -> tuple[bytes, ...]:
        delta = _read_delta(data)
        index = delta.part
        if not 0 <= index < len(self._places):
            return self._unannounced(data)
        part = self._places[index]
        piece = bytes(delta.delta)
        if (keep := part.keep) is not None:
            keep(piece)
        if delta.logprobs is not UNSET:
            return self._weigh(part, piece, delta.logprobs)
        if piece == b'""' or not part.before:
            return ()
        self._said = True
        chunks = self._chunks
        chunk = b"".join((chunks.head, part.before, piece, part.behind, chunks.tail))
        return (chunk,) if part.call is None else self._calls.speak(part, chunk)

    def _weigh(self, part: SaidPart, piece: bytes, logprobs: msgspec.Raw) -> tuple[bytes, ...]:
        """Returns the chunk of a delta with the logprobs of its tokens; they may come without a text."""
        if part.kind not in message.TEXT_FIELDS:
            return ()
        self._said = True
        return (self._chunks.tokens(part.before + piece + part.behind, message.logprob_field(part), logprobs),)

    def _unannounced(self, data: bytes) -> tuple[bytes, ...]:
        """Returns the chunks of a delta whose part no event has announced, as old logs have them."""
        delta = events.decode(events.Delta.type, data)
        assert isinstance(delta, events.Delta)
        return (*self._open(events.Part(part=delta.part, kind=delta.kind)), *self._grow(data))

    def _begin(self, attempt: events.Attempt) -> Sequence[bytes]:
        if attempt.continues:
            self._places = []
            return ()
        over = self._said
        if over:
            self.epoch = attempt.number
        self._begin_anew()
        return (self._chunks.delta(_OPENING),) if over else ()

    def _frames_of(self, event: events.AnyEvent) -> Sequence[bytes]:
        match event:
            case events.Part():
                return self._open(event)
            case events.PartEnd():
                return self._end_part(event)
            case events.Annotation():
                if 0 <= event.part < len(self._places):
                    self._beside.cite(self._places[event.part], event.fields)
            case events.Response():
                self._learn(event)
            case events.UsageReport():
                self._usage = event.usage
            case events.Completed() | events.Failed() | events.Cancelled():
                return self._end(event)
        return ()

    def _learn(self, response: events.Response) -> None:
        fingerprint, tier = response.system_fingerprint, response.service_tier
        known = self._chunks
        if fingerprint is not UNSET or tier is not UNSET:
            known.learn(
                known.fingerprint if fingerprint is UNSET else fingerprint, known.tier if tier is UNSET else tier
            )

    def _open(self, event: events.Part) -> Sequence[bytes]:
        if not 0 <= event.part <= len(self._places):
            raise ValueError(f"part {event.part} does not follow part {len(self._places) - 1}")
        if event.part < len(self._places):
            self._places[event.part].take(event)
            return ()
        if event.resumes is True and (part := self._broken_off(event)) is not None:
            part.take(event)
            self._places.append(part)
            return ()
        part = begun(event, self._beside.length)
        self._places.append(part)
        self._parts.append(part)
        if part.kind == "tool_call" and part.executor != "provider":
            return self._call(part, event)
        if not message.is_sound(part) or any(map(message.is_sound, self._parts[:-1])):
            return ()
        return (self._chunks.delta({"audio": message.sound(self._subject, part)}),)

    def _call(self, part: SaidPart, event: events.Part) -> Sequence[bytes]:
        part.call = self._calls.add()
        part.before = b'{"tool_calls":[{"index":%d,"function":{"arguments":' % part.call
        part.behind = b"}}]}"
        fields: dict[str, Any] = {
            "index": part.call,
            "id": event.call_id or f"call_{part.call}",
            "type": "function",
            "function": {"name": event.name or "", "arguments": ""},
        }
        return self._calls.speak(part, self._chunks.delta({"tool_calls": [fields]}))

    def _broken_off(self, event: events.Part) -> SaidPart | None:
        item_id = None if event.item_id is UNSET else event.item_id
        return next((p for p in reversed(self._parts) if p.kind == event.kind and p.item_id == item_id), None)

    def _end_part(self, event: events.PartEnd) -> Sequence[bytes]:
        if not 0 <= event.part < len(self._places):
            return ()
        part = self._places[event.part]
        part.take(event)
        if part.call is not None:
            return self._end_call(part)
        part.ended = True
        fields = self._beside.end(part, self._parts)
        return (self._chunks.delta(fields),) if fields else ()

    def _end_call(self, part: SaidPart) -> Sequence[bytes]:
        chunks: list[bytes] = []
        if signed := message.signed_call(part):
            fields = {"index": part.call, "function": {"arguments": ""}, **signed}
            chunks += self._calls.speak(part, self._chunks.delta({"tool_calls": [fields]}))
        part.ended = True
        part.pieces.clear()
        return chunks + self._calls.end()

    def _end(self, event: events.Completed | events.Failed | events.Cancelled) -> Sequence[bytes]:
        chunks = self._calls.release()
        if fields := self._beside.rest():
            chunks.append(self._chunks.delta(fields))
        if not isinstance(event, events.Completed):
            return [*chunks, line(CANCELLED if isinstance(event, events.Cancelled) else in_stream(event))]
        chunks.append(self._chunks.finish(message.FINISH_REASONS[event.finish_reason]))
        usage = event.usage or self._usage
        if usage is not None and self._chunks.counts:
            chunks.append(self._chunks.usage(message.usage_fields(usage)))
        return chunks
