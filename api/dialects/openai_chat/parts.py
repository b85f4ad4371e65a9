"""The parts of an answer on their way into chunks."""

from collections.abc import Callable
from typing import Literal

import msgspec

from api.dialects.openai_chat import message
from shared.log import events
from shared.log.events import PartKind

_TAKEN = ("item_id", "summary", "media_type", "url", "executor", "signature", "encrypted", "provider")
_BULK = 1024
"""Pieces whose characters are counted at once."""


class SaidPart(msgspec.Struct):
    """A part so far."""

    kind: PartKind
    before: bytes = b""
    """What stands before a piece of it within a chunk's delta; empty where its pieces are not sent as they come."""
    behind: bytes = b""
    keep: Callable[[bytes], None] | None = None
    """Takes each piece of it, as JSON, where its text is wanted later."""
    call: int | None = None
    """Its number among the client's tool calls."""
    item_id: str | None = None
    summary: bool | None = None
    media_type: str | None = None
    url: str | None = None
    signature: str | None = None
    encrypted: str | None = None
    provider: str | None = None
    executor: Literal["client", "provider"] | None = None
    ended: bool = False
    detailed: bool = False
    """It stands in `reasoning_details`."""
    start: int = 0
    """Characters of the content before it."""
    end: int | None = None
    """Characters of the content up to its end."""
    pieces: list[bytes] = []

    @property
    def text(self) -> str:
        """What it keeps of its text."""
        return _text(self.pieces)

    def quoted(self, before: str) -> msgspec.Raw:
        """Returns its text behind these words, as JSON: it may have many MB, and is not decoded and encoded again."""
        begun = msgspec.json.encode(before)[:-1]
        return msgspec.Raw(b"".join([begun, *[memoryview(piece)[1:-1] for piece in self.pieces], b'"']))

    def is_object(self) -> bool:
        """Says whether the text so far is a whole JSON object."""
        try:
            msgspec.json.decode(self.text, type=dict)
        except (ValueError, RecursionError):
            return False
        return True

    def take(self, event: events.Part | events.PartEnd) -> None:
        """Takes over what an event says of it."""
        for name in _TAKEN:
            if (value := getattr(event, name, msgspec.UNSET)) is not msgspec.UNSET:
                setattr(self, name, value)


class Length:
    """How many characters the content has, which citations need: counted in bulk, as nearly every event is a delta."""

    def __init__(self) -> None:
        self._counted = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Adds a piece, as JSON."""
        self._pieces.append(piece)
        if len(self._pieces) == _BULK:
            self.count()

    def count(self) -> int:
        """Returns the number."""
        self._counted += len(_text(self._pieces))
        self._pieces.clear()
        return self._counted


def begun(event: events.Part, length: Length) -> SaidPart:
    """Returns a part that begins; `length` is that of the content so far."""
    part = SaidPart(event.kind, start=length.count())
    part.take(event)
    if (field := message.TEXT_FIELDS.get(part.kind)) is not None:
        part.before, part.behind = b'{"%b":' % field.encode(), b"}"
    elif message.is_sound(part):
        part.before, part.behind = b'{"audio":{"data":', b"}}"
    if part.kind == "text":
        part.keep = length.add
    elif part.kind in ("reasoning", "tool_call") or (part.kind == "file" and not part.before):
        part.keep = part.pieces.append
    return part


def _text(pieces: list[bytes]) -> str:
    """Returns the text of joined JSON strings."""
    return msgspec.json.decode(b'"%b"' % b"".join([piece[1:-1] for piece in pieces]), type=str)
