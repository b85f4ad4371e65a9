"""A log as a stream of Messages (API reference: "Streaming messages")."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from api.dialects.anthropic_messages import errors
from api.dialects.anthropic_messages.blocks import (
    GROWTH_END,
    PROTOCOL,
    Block,
    delta,
    frame,
    growth,
    sealed_thought,
    start,
    stop,
)
from api.dialects.anthropic_messages.message import message_of
from api.dialects.anthropic_messages.sealed import Sealed, seal
from api.dialects.anthropic_messages.stop_reason import ending
from api.dialects.anthropic_messages.usage import usage_of
from api.viewing.dialect import ResetReason, Subject
from shared.log import events
from shared.log.entry import RawEntry
from shared.log.events import EVENT_TYPES, PartKind, Usage
from shared.record import DialectName
from shared.request.limits import MAX_DEPTH
from shared.strict_json import nests_deeper


class _Delta(Struct, gc=False):
    part: Annotated[int, Meta(ge=0)]
    kind: PartKind
    delta: Raw


_read_delta = msgspec.json.Decoder(_Delta).decode


class AnthropicMessagesDialect:
    """The dialect of Anthropic Messages. It has no cursor of its own, and no frame for starting over or going away."""

    name: DialectName = "anthropic"
    heartbeat = b'event: ping\ndata: {"type": "ping"}\n\n'
    drain = b""
    ending = b""

    def framer(self, subject: Subject, /) -> "MessagesFramer":
        """Implements `Dialect.framer`."""
        return MessagesFramer(subject)

    def opening(self) -> bytes:
        """Implements `Dialect.opening`: a stream begins with its first event."""
        return b""

    def queued(self, generation_id: str, position: int | None, /) -> bytes:
        """Implements `Dialect.queued`: nothing is said of the line."""
        return b""

    def reset(self, reason: ResetReason, /) -> bytes:
        """Implements `Dialect.reset`."""
        return b""


class MessagesFramer:
    """The stream of one log. Blocks follow one another: what begins while one is open waits for its end."""

    def __init__(self, subject: Subject) -> None:
        self.epoch = 1
        self._subject = subject
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._blocks: list[Block] = []
        """All that were begun in this epoch."""
        self._places: list[Block] = []
        """Those of the newest attempt, by their part's number."""
        self._growths: list[bytes] = []
        """What is before a delta of each of these, where it can be sent at once; else empty."""
        self._line: deque[Block] = deque()
        """The block that is open, and those that wait for it."""
        self._count = 0
        self._called: set[str] = set()
        """Ids of calls of Anthropic's own tools that were sent."""
        self._refused = False
        self._usage: Usage | None = None
        self._service_tier: str | None = None

    def opening(self) -> Sequence[bytes]:
        """Implements `Framer.opening`."""
        return (frame("message_start", {"message": message_of(self._subject, self.epoch)}),)

    def frames(self, entry: RawEntry, /) -> Sequence[bytes]:
        """Implements `Framer.frames`. Raises ValueError for what does not fit its type."""
        type, data = entry[1]
        if type == b"delta":
            # Nearly every event of a long log is one. Its text goes on as the JSON that it is.
            said = _read_delta(data)
            part = said.part
            if part < len(self._growths) and (growth := self._growths[part]):
                return (b"%b%b%b" % (growth, said.delta, GROWTH_END),)
            return self._grow(said)
        name = type.decode()
        return self._read(events.decode(name, data)) if name in EVENT_TYPES else ()

    def _read(self, event: events.AnyEvent) -> list[bytes]:
        match event:
            case events.Attempt():
                return self._attempt(event)
            case events.Part():
                self._open(event)
                return list(self._advance())
            case events.Annotation():
                return self._cite(event)
            case events.PartEnd() if 0 <= event.part < len(self._places):
                self._places[event.part].end = event
                self._growths[event.part] = b""
                return list(self._advance())
            case events.Response():
                self._service_tier = event.service_tier or self._service_tier
            case events.UsageReport():
                self._usage = event.usage
            case events.Completed():
                return self._complete(event)
            case events.Failed() | events.Cancelled():
                return [*self._finish(), frame("error", errors.in_stream(event))]
        return []

    def _attempt(self, event: events.Attempt) -> list[bytes]:
        """Begins an attempt: what was said before stands, or all of it is void."""
        void = self._blocks and not event.continues
        if void:
            self.epoch = event.number
        if not event.continues:
            self._begin_anew()
        for block in self._places:
            block.place = None
        self._places, self._growths = [], []
        return list(self.opening()) if void else []

    def _open(self, event: events.Part) -> Block:
        """Begins a part, or resumes the one that it goes on with."""
        at = event.part
        if not 0 <= at <= len(self._places):
            raise ValueError(f"part {at} does not follow part {len(self._places) - 1}")
        if at < len(self._places):
            return self._places[at]
        block = self._broken_off(event) if event.resumes is True else None
        if block is None:
            block = self._new(event)
        block.place = at
        self._places.append(block)
        self._growths.append(b"")
        self._stream(block)
        return block

    def _new(self, event: events.Part) -> Block:
        block = Block(event)
        block.place = event.part
        self._blocks.append(block)
        self._line.append(block)
        self._refused = self._refused or block.kind == "refusal"
        return block

    def _stream(self, block: Block) -> None:
        """Has the deltas of a block sent as they come, where it is the open one."""
        if block.begun and block.end is None and block.place is not None and block.goes_on_as_it_is:
            self._growths[block.place] = growth(block.kind, block.index)

    def _broken_off(self, event: events.Part) -> Block | None:
        found = (b for b in reversed(self._blocks) if b.kind == event.kind and b.part.item_id == event.item_id)
        block = next(found, None)
        return block if block is not None and block.end is None else None

    def _grow(self, said: _Delta) -> list[bytes]:
        """Takes the delta of a part that was not sent so far, or waits, or never is."""
        if said.part >= len(self._places):
            self._open(events.Part(part=said.part, kind=said.kind))
        block = self._places[said.part]
        if block.end is not None:
            # Nothing that was said is lost, also where a log says it late.
            block = self._places[said.part] = self._new(events.Part(part=said.part, kind=said.kind))
        if block.type is None:
            return []
        block.pieces.append(said.delta.copy())
        return list(self._advance())

    def _cite(self, event: events.Annotation) -> list[bytes]:
        if event.protocol != PROTOCOL or not 0 <= event.part < len(self._places):
            return []
        block = self._places[event.part]
        if block.kind != "text" or block.end is not None or nests_deeper(event.fields, MAX_DEPTH):
            return []
        block.pieces.append(event.fields)
        return list(self._advance())

    def _advance(self) -> Iterator[bytes]:
        """Yields what can be sent: of the first block in the line what it said, and where it ended of the next ones."""
        while self._line:
            block = self._line[0]
            if block.streams and (block.pieces or (block.kind == "tool_call" and not block.begun)):
                yield from self._say(block)
            if block.end is None:
                return
            yield from self._close(block, block.end)
            self._line.popleft()

    def _say(self, block: Block) -> Iterator[bytes]:
        if not block.begun:
            yield self._begin(block)
        yield from block.said()
        self._stream(block)

    def _begin(self, block: Block) -> bytes:
        if block.type == "server_tool_use":
            self._called.add(str(block.part.call_id))
        return block.begin(self._next())

    def _next(self) -> int:
        self._count += 1
        return self._count - 1

    def _close(self, block: Block, end: events.PartEnd) -> Iterator[bytes]:
        """Yields the end of a block, with what only its end knows."""
        if block.type is None:
            return
        if block.kind == "tool_result":
            if block.part.call_id in self._called and (result := block.result()) is not None:
                yield from self._whole(result)
        elif block.kind == "reasoning":
            yield from self._end_thought(block, end)
        else:
            if block.begun:
                yield from block.rest()
                yield stop(block.index)
            yield from self._sign(block, end)

    def _end_thought(self, block: Block, end: events.PartEnd) -> Iterator[bytes]:
        sealed = sealed_thought(block.part, end)
        if not block.begun and end.encrypted:
            yield from self._whole({"type": "redacted_thinking", "data": sealed})
            return
        if not block.begun and end.signature:
            yield self._begin(block)
        if block.begun:
            if sealed:
                yield delta(block.index, {"type": "signature_delta", "signature": sealed})
            yield stop(block.index)

    def _sign(self, block: Block, end: events.PartEnd) -> Iterator[bytes]:
        """Yields a block with the signature of a text or a call, for which Messages has no field."""
        if end.signature:
            of: Any = "call" if block.kind == "tool_call" else "text"
            data = seal(Sealed(signature=end.signature, of=of), end.provider or "")
            yield from self._whole({"type": "redacted_thinking", "data": data})

    def _whole(self, block: dict[str, Any]) -> Iterator[bytes]:
        index = self._next()
        yield start(index, block)
        yield stop(index)

    def _finish(self) -> list[bytes]:
        """Ends all blocks, also those whose end never came."""
        for block in self._line:
            block.end = block.end or events.PartEnd(part=0)
        self._growths = [b""] * len(self._growths)
        return list(self._advance())

    def _complete(self, event: events.Completed) -> list[bytes]:
        frames = self._finish()
        usage = usage_of(event.usage or self._usage, self._service_tier)
        frames.append(frame("message_delta", {"delta": ending(event, refused=self._refused), "usage": usage}))
        frames.append(frame("message_stop", {}))
        return frames
