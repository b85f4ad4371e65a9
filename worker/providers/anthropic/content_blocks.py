"""The content blocks of one Messages answer, also where their starts, ends or indices are missing or wrong."""

from typing import Any

from shared.log.events import Annotation, Delta, PartKind
from worker.providers.anthropic.content_block import (
    PROTOCOL,
    Block,
    block_of,
    held_citations,
    held_text,
    rest_of,
    start_of,
)
from worker.providers.anthropic.event import EventDelta
from worker.providers.finish_reasons import is_json
from worker.providers.provider import ProviderEvent

_GROWTH: dict[str, PartKind] = {"text_delta": "text", "thinking_delta": "reasoning", "input_json_delta": "tool_call"}
_STARTS: dict[PartKind, dict[str, Any]] = {
    "text": {"type": "text"},
    "reasoning": {"type": "thinking"},
    "tool_call": {"type": "tool_use"},
}
"""The start of a block that had none, by what its delta says."""


class ContentBlocks:
    """The open blocks, and what was called so far."""

    def __init__(self) -> None:
        self.called = False
        """A tool was called that the caller runs."""
        self.used = False
        """Any tool was called."""
        self.lost = False
        """A call came of which only the input is known."""
        self.mixed = False
        """A call came whose input is that of two."""
        self._open: dict[int, Block] = {}
        self._parts = 0
        self._all: list[Block] = []
        self._said: set[str] = set()
        """Which kinds of part came, and which calls."""

    def hold(self, content: Any, events: list[ProviderEvent]) -> None:
        """Takes the content that a whole message has: its blocks, or one, or only a text.

        What came before is not said again, and what comes after it may be the same.
        """
        said, first = set(self._said), max(self._open, default=-1) + 1 if self._said else 0
        for index, block in enumerate(content if isinstance(content, list) else [content] if content else [], first):
            held = {"type": "text", "text": block} if isinstance(block, str) else block
            if not isinstance(held, dict) or ((known := block_of(held)) is not None and known.what in said):
                continue
            self.start(index, held, events)
            if (begun := self._open.get(index)) is not None:
                begun.held = True
                begun.said = held_text(begun.kind, held) if begun.kind in ("text", "reasoning") else ""
        if isinstance(content, list):
            self._hold_rest(said, content, events)

    def _hold_rest(self, said: set[str], content: list[Any], events: list[ProviderEvent]) -> None:
        """Says what a whole message says more than the texts that came before it."""
        blocks = [one for one in content if isinstance(one, dict)]
        for kind in ("text", "thinking"):
            of_kind = [known for one in blocks if (known := block_of(one)) is not None and known.type == kind]
            if not (of_kind and of_kind[0].what in said):
                continue
            ours = of_kind[0].kind
            whole = "".join(held_text(ours, one) for one in blocks if one.get("type") == kind)
            so_far = "".join(piece for one in self._all if one.type == kind for piece in one.pieces)
            if len(whole) > len(so_far) and whole.startswith(so_far):
                index = max(self._open, default=-1) + 1
                self.start(index, {"type": kind, kind: whole[len(so_far) :]}, events)
                self.stop(index, events)

    def start(self, index: int, content: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Begins a block; one of an unknown type is kept raw."""
        if (block := block_of(content)) is None:
            events.append(start_of(index, content))
            return
        if (known := self._open.get(index)) is not None and _is_same(known, block):
            self._start_again(known, block, content, events)
            return
        self._put(index, block, events)
        if text := held_text(block.kind, content):
            block.pieces.append(text)
            events.append(Delta(part=block.part.part, kind=block.kind, delta=text))
        if block.kind == "text":
            part = block.part.part
            events.extend(Annotation(part=part, fields=one, protocol=PROTOCOL) for one in held_citations(content))
        if rest := rest_of(block.type, content):
            events.append(start_of(index, {"type": block.type, **rest}))

    def _start_again(self, known: Block, block: Block, content: dict[str, Any], events: list[ProviderEvent]) -> None:
        known.input.give(content.get("input"))
        known.signature = block.signature or known.signature
        known.encrypted = block.encrypted or known.encrypted
        if known.kind == "tool_call":
            known.part.call_id = known.part.call_id or block.part.call_id
            known.part.name = known.part.name or block.part.name
            self._begin(known, events)
        elif known.said and (text := known.fresh(held_text(known.kind, content))):
            known.pieces.append(text)
            events.append(Delta(part=known.part.part, kind=known.kind, delta=text))

    def _put(self, index: int, block: Block, events: list[ProviderEvent]) -> None:
        """Opens a block. One that stood there has ended, though nobody said so."""
        if (before := self._open.pop(index, None)) is not None:
            self._end(index, before, events)
        self._open[index] = block
        self._all.append(block)
        self._begin(block, events)

    def _begin(self, block: Block, events: list[ProviderEvent]) -> None:
        if block.begun or not block.is_named:
            return
        self._said.add(block.what)
        block.begin(self._parts, events)
        self._parts += 1
        if block.kind == "tool_call":
            self.used = True
            self.called = self.called or block.part.executor == "client"
            if held := block.input.so_far:
                events.append(Delta(part=block.part.part, kind=block.kind, delta=held))

    def grow(self, index: int, delta: EventDelta, events: list[ProviderEvent]) -> bool:
        """Adds what a delta says; returns False where it is of a type that is not known."""
        kind = _GROWTH.get(delta.type or _type_of(delta))
        if kind is None:
            return self._add(index, delta, events)
        text: Any = delta.text or delta.thinking or delta.partial_json
        if delta.signature and kind == "reasoning":
            self._grown(index, kind, events).signature = delta.signature
        if not text and not isinstance(text, dict):
            return True
        block = self._open.get(index)
        if block is None or block.kind != kind or len(self._open) > 1:
            block = self._grown(index, kind, events)
        if kind == "tool_call":
            text = block.input.add(text)
        else:
            if block.said:
                text = block.fresh(text)
            block.pieces.append(text)
        if text and block.begun:
            events.append(Delta(part=block.part.part, kind=kind, delta=text))
        return True

    def _add(self, index: int, delta: EventDelta, events: list[ProviderEvent]) -> bool:
        """Adds what is said beside a text: its signature, or where it comes from."""
        if delta.type == "signature_delta":
            self._grown(index, "reasoning", events).signature = delta.signature or ""
            return True
        said = [one for one in (*self._open.values(), self._open.get(index)) if one is not None and one.kind == "text"]
        if delta.type != "citations_delta" or delta.citation is None or not said:
            return False
        events.append(Annotation(part=said[-1].part.part, fields=delta.citation, protocol=PROTOCOL))
        return True

    def _grown(self, index: int, kind: PartKind, events: list[ProviderEvent]) -> Block:
        """Returns the block that a delta is of, by its index if that can be, else by its kind.

        Some endpoints give deltas the index after their block's (vercel/ai#11771), or the same to all. A delta whose
        block never began begins one; without a name it is no call, and kept raw at its end.
        """
        block, last = self._open.get(index), next(reversed(self._open.values()), None)
        if last is not None and last.kind != kind:
            last = None
        if block is not None and block.kind == kind and not (last and _is_next(last, block)):
            return block
        if last is not None:
            return last
        calls = [one for one in self._open.values() if one.kind == kind == "tool_call"]
        if calls:
            return calls[-1]
        begun = block_of(_STARTS[kind])
        assert begun is not None
        begun.startless = True
        self._put(index, begun, events)
        return begun

    def stop(self, index: int, events: list[ProviderEvent], content: dict[str, Any] | None = None) -> bool:
        """Ends a block, of which some say the whole `content` once more; returns False where none has this index."""
        if (block := self._open.pop(index, None)) is None:
            return False
        if content is not None and (whole := block_of(content)) is not None and whole.type == block.type:
            if block.kind == "tool_call":
                self._start_again(block, whole, content, events)
            elif rest := block.rest(held_text(block.kind, content)):
                events.append(Delta(part=block.part.part, kind=block.kind, delta=rest))
        self._end(index, block, events)
        return True

    def end(self, events: list[ProviderEvent]) -> None:
        """Ends all blocks whose end nobody said."""
        for index, block in self._open.items():
            self._end(index, block, events)
        self._open.clear()

    def _end(self, index: int, block: Block, events: list[ProviderEvent]) -> None:
        self.lost = self.lost or (block.startless and not block.begun)
        self.mixed = self.mixed or block.input.is_mixed
        block.end(index, events)

    @property
    def are_whole(self) -> bool:
        """Says whether no open call has half of its input."""
        return all(is_json(block.input.text) for block in self._open.values() if block.kind == "tool_call")


def _type_of(delta: EventDelta) -> str:
    """Returns the type of a delta that does not say it."""
    if delta.text is not None:
        return "text_delta"
    if delta.thinking is not None:
        return "thinking_delta"
    return "" if delta.partial_json is None else "input_json_delta"


def _is_same(known: Block, block: Block) -> bool:
    """Says whether a start is of the block that is open at its index, and not of another one."""
    if known.type != block.type:
        return False
    names = {one.part.name for one in (known, block) if one.part.name}
    ids = {one.part.call_id for one in (known, block) if one.part.call_id}
    if len(names) > 1 or (known.held and not block.part.call_id) or not known.is_named:
        return len(names) < 2
    # Two calls of one tool may stand at one index, if no end came between them.
    return len(ids) == 1 and bool(block.part.call_id)


def _is_next(call: Block, before: Block) -> bool:
    """Says whether a fragment with the index of one call is of the next, as the one before is whole."""
    return call is not before and call.kind == "tool_call" and before.input.is_whole and not call.input.is_whole
