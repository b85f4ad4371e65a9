"""The blocks of one message, which follow one another: what begins while one is open waits for its end."""

from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from api.dialects.anthropic_messages.blocks import (
    PROTOCOL,
    Block,
    delta,
    growth,
    read_text,
    sealed_thought,
    start,
    stop,
)
from api.dialects.anthropic_messages.sealed import Sealed, seal
from shared.log.events import Annotation, Part, PartEnd, PartKind
from shared.request.limits import MAX_DEPTH
from shared.strict_json import nests_deeper


class RawDelta(Struct, gc=False):
    """A delta of the log, whose text is left as JSON."""

    part: Annotated[int, Meta(ge=0)]
    kind: PartKind
    delta: Raw


read_delta = msgspec.json.Decoder(RawDelta).decode
"""Reads a delta. Raises msgspec.MsgspecError."""


class BlockLine:
    """The block that is open, and those that wait for it; each method returns the frames that can be sent now."""

    def __init__(self) -> None:
        self.growths: list[bytes] = []
        """By its part's number, what is before the text of a delta that can be sent at once; else empty."""
        self.refused = False
        """The model refused, in a part of its own."""
        self._blocks: list[Block] = []
        """All that were begun."""
        self._places: list[Block] = []
        """Those of the newest attempt, by their part's number."""
        self._line: deque[Block] = deque()
        self._count = 0
        self._called: set[str] = set()
        """Ids of calls of Anthropic's own tools that were sent."""

    @property
    def is_begun(self) -> bool:
        """Says whether there was any part, also one that Messages has no block for."""
        return bool(self._blocks)

    def begin_attempt(self) -> None:
        """Forgets the parts' numbers, which count anew."""
        for block in self._places:
            block.place = None
        self._places, self.growths = [], []

    def open(self, event: Part) -> list[bytes]:
        """Begins a part, or resumes one. Raises ValueError where its number does not follow."""
        at = event.part
        if not 0 <= at <= len(self._places):
            raise ValueError(f"part {at} does not follow part {len(self._places) - 1}")
        if at < len(self._places):
            return []
        block = self._broken_off(event) if event.resumes is True else None
        if block is None:
            block = self._new(event)
        block.place = at
        self._places.append(block)
        self.growths.append(b"")
        self._stream(block)
        return list(self._advance())

    def grow(self, said: RawDelta) -> list[bytes]:
        """Takes the delta of a part that cannot be sent at once; one that the log has not begun begins with it."""
        before = self.open(Part(part=said.part, kind=said.kind)) if said.part >= len(self._places) else []
        block = self._places[said.part]
        if block.begun and block.kind == "tool_call" and block.end is None:
            return block.call(read_text(said.delta))
        if block.end is not None:
            # Nothing that was said is lost, also where a log says it late.
            block = self._places[said.part] = self._new(Part(part=said.part, kind=said.kind))
        if block.type is None:
            return before
        block.pieces.append(said.delta.copy())
        return before + list(self._advance())

    def cite(self, event: Annotation) -> list[bytes]:
        """Takes a citation; one that Anthropic's clients do not know is left out."""
        if event.protocol != PROTOCOL or not 0 <= event.part < len(self._places):
            return []
        block = self._places[event.part]
        if block.kind != "text" or block.end is not None or nests_deeper(event.fields, MAX_DEPTH):
            return []
        block.pieces.append(event.fields)
        return list(self._advance())

    def end(self, event: PartEnd) -> list[bytes]:
        """Ends a part."""
        if not 0 <= event.part < len(self._places):
            return []
        self._places[event.part].end = event
        self.growths[event.part] = b""
        return list(self._advance())

    def finish(self) -> list[bytes]:
        """Ends all blocks, also those whose end never came."""
        for block in self._line:
            block.end = block.end or PartEnd(part=0)
        self.growths = [b""] * len(self.growths)
        return list(self._advance())

    def _new(self, event: Part) -> Block:
        block = Block(event)
        block.place = event.part
        self._blocks.append(block)
        if block.type is not None:
            self._line.append(block)
        self.refused = self.refused or block.kind == "refusal"
        return block

    def _broken_off(self, event: Part) -> Block | None:
        found = (b for b in reversed(self._blocks) if b.kind == event.kind and b.part.item_id == event.item_id)
        block = next(found, None)
        return block if block is not None and block.end is None else None

    def _stream(self, block: Block) -> None:
        """Has the deltas of a block sent as they come, where it is the open one."""
        if block.begun and block.end is None and block.place is not None and block.goes_on_as_it_is:
            self.growths[block.place] = growth(block.kind, block.index)

    def _advance(self) -> Iterator[bytes]:
        """Yields what can be sent: of the first block in the line what it said, and where it ended of the next ones."""
        while self._line:
            block = self._line[0]
            if block.streams and (block.pieces or (block.kind == "tool_call" and not block.begun)):
                if not block.begun:
                    yield self._begin(block)
                yield from block.said()
                self._stream(block)
            if block.end is None:
                return
            yield from self._close(block, block.end)
            self._line.popleft()

    def _begin(self, block: Block) -> bytes:
        if block.type == "server_tool_use":
            self._called.add(str(block.part.call_id))
        return block.begin(self._next())

    def _close(self, block: Block, end: PartEnd) -> Iterator[bytes]:
        """Yields the end of a block, with what only its end knows."""
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

    def _end_thought(self, block: Block, end: PartEnd) -> Iterator[bytes]:
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

    def _sign(self, block: Block, end: PartEnd) -> Iterator[bytes]:
        """Yields a block with the signature of a text or a call, for which Messages has no field."""
        if end.signature:
            of: Any = "call" if block.kind == "tool_call" else "text"
            data = seal(Sealed(signature=end.signature, of=of), end.provider or "")
            yield from self._whole({"type": "redacted_thinking", "data": data})

    def _whole(self, block: dict[str, Any]) -> Iterator[bytes]:
        """Yields a block that comes at once."""
        index = self._next()
        yield start(index, block)
        yield stop(index)

    def _next(self) -> int:
        self._count += 1
        return self._count - 1
