"""The frames of content blocks, and of one block as it grows."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from api.dialects.anthropic_messages.call_input import CallInput
from api.dialects.anthropic_messages.sealed import Sealed, seal
from api.dialects.anthropic_messages.server_tools import call_type, result_of
from shared.log.events import Part, PartEnd, PartKind

PROTOCOL = "anthropic"
"""Its name in annotations whose shape it has."""

_LINE_ENDS = re.compile("\u0085|\u2028|\u2029".encode())
_encode = msgspec.json.Encoder().encode
read_text = msgspec.json.Decoder(str).decode
"""Reads a text from its JSON."""

_GROWTH: dict[str, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool_call": ("input_json_delta", "partial_json"),
}
"""What a delta of a kind is called, and the field that has its text."""
GROWTH_END = b"}}\n\n"


def frame(kind: str, fields: dict[str, Any]) -> bytes:
    """Returns an event's bytes on the wire, in which no character ends a line but ours."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json({"type": kind} | fields))


def _json(value: Any) -> bytes:
    data = _encode(value)
    if data.isascii() or not _LINE_ENDS.search(data):
        return data
    return _LINE_ENDS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), data)


def growth(kind: PartKind, index: int) -> bytes:
    """Returns what is before a delta's text, as JSON, in its event; behind it is `GROWTH_END`."""
    delta, field = _GROWTH[kind]
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":' % (
        index,
        delta.encode(),
        field.encode(),
    )


class Block:
    """What a part of the log is in Messages: a block, which may have to wait for others, or none."""

    __slots__ = ("begun", "end", "index", "input", "kind", "part", "pieces", "place", "type")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.kind: PartKind = part.kind
        self.type = _type_of(part)
        """Of its block; None where Messages has none for it."""
        self.index = -1
        """Its place among the blocks; -1 before it has begun."""
        self.begun = False
        self.place: int | None = None
        """Its part's number in the newest attempt; None where that has not named it so far."""
        self.end: PartEnd | None = None
        self.input = CallInput()
        """Of a call: what it is called with."""
        self.pieces: list[Raw | dict[str, Any]] = []
        """What it has said while it could not be sent: texts as JSON, and citations."""

    @property
    def goes_on_as_it_is(self) -> bool:
        """Says whether the JSON of its deltas' texts is also that of the block's."""
        return self.kind in _GROWTH and self.kind != "tool_call"

    @property
    def streams(self) -> bool:
        """Says whether it is sent as it grows; a tool's result comes whole."""
        return self.type is not None and self.kind != "tool_result"

    def begin(self, index: int) -> bytes:
        """Returns the start of its block."""
        self.index, self.begun = index, True
        match self.type:
            case "thinking":
                block: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
            case "tool_use" | "server_tool_use":
                block = {"type": self.type, "id": self.part.call_id, "name": self.part.name, "input": {}}
            case _:
                block = {"type": "text", "text": ""}
        return start(index, block)

    def said(self) -> Iterator[bytes]:
        """Yields the deltas of what waited; neighbouring texts are one."""
        pieces, self.pieces = self.pieces, []
        if self.kind == "tool_call":
            yield from self.call(_text(pieces))
            return
        texts: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, dict):
                yield from self._joined(texts)
                yield delta(self.index, {"type": "citations_delta", "citation": piece})
                texts = []
            else:
                texts.append(bytes(piece)[1:-1])
        yield from self._joined(texts)

    def rest(self) -> Iterator[bytes]:
        """Yields the delta with what only the end of a call shows of its input."""
        if self.kind == "tool_call":
            yield from self._called(self.input.close())

    def call(self, text: str) -> list[bytes]:
        """Returns the delta of what a call's input grows by, if anything can be sent of it."""
        return self._called(self.input.feed(text))

    def _called(self, text: str) -> list[bytes]:
        return [growth(self.kind, self.index) + _json(text) + GROWTH_END] if text else []

    def _joined(self, texts: list[bytes]) -> Iterator[bytes]:
        if texts:
            yield growth(self.kind, self.index) + b'"' + b"".join(texts) + b'"' + GROWTH_END

    def result(self) -> dict[str, Any] | None:
        """Returns the block of a tool's result; None where Messages has none for it."""
        return result_of(self.part.result_type, self.part.call_id, _text(self.pieces))


def _text(pieces: list[Raw | dict[str, Any]]) -> str:
    return "".join(read_text(piece) for piece in pieces if isinstance(piece, Raw))


def _type_of(part: Part) -> str | None:
    match part.kind:
        case "text" | "refusal":
            return "text"
        case "reasoning":
            return "thinking"
        case "tool_call":
            return call_type(part.name or None, part.call_id or None, part.executor or None)
        case "tool_result":
            return "tool_result"
        case _:
            return None


def start(index: int, block: dict[str, Any]) -> bytes:
    """Returns the start of a block."""
    return frame("content_block_start", {"index": index, "content_block": block})


def delta(index: int, fields: dict[str, Any]) -> bytes:
    """Returns a delta of a block."""
    return frame("content_block_delta", {"index": index, "delta": fields})


def stop(index: int) -> bytes:
    """Returns the end of a block."""
    return frame("content_block_stop", {"index": index})


def sealed_thought(part: Part, end: PartEnd) -> str:
    """Returns what is opaque about reasoning; empty where nothing is."""
    sealed = Sealed(
        signature=end.signature or "",
        encrypted=end.encrypted or "",
        item_id=part.item_id or "",
        summary=None if part.summary is UNSET else part.summary,
    )
    return seal(sealed, end.provider or "") if sealed.is_anything else ""
