"""The parts of an answer on their way into chunks."""

from typing import Literal

import msgspec

from shared.log import events
from shared.log.events import PartKind


class SaidPart(msgspec.Struct, gc=False):
    """A part so far."""

    kind: PartKind
    before: bytes = b""
    """What stands before a piece of it within a chunk's delta; empty where its pieces are not sent as they come."""
    behind: bytes = b""
    call: int | None = None
    """Its number among the client's tool calls."""
    keeps: bool = False
    """Its text is wanted later."""
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
    """Characters of the message's content before it."""
    chars: int = 0
    pieces: list[bytes] = []
    """JSON of its text, without the quotes."""

    @property
    def text(self) -> str:
        """What it keeps of its text."""
        joined = b'"%b"' % b"".join(self.pieces)
        return msgspec.json.decode(joined, type=str)

    def grow(self, piece: bytes) -> None:
        """Keeps a piece, given as JSON."""
        self.pieces.append(piece[1:-1])

    def is_object(self) -> bool:
        """Says whether the text so far is a whole JSON object."""
        try:
            msgspec.json.decode(self.text, type=dict)
        except (ValueError, RecursionError):
            return False
        return True

    def take(self, event: events.Part | events.PartEnd) -> None:
        """Takes over what an event says of it."""
        for name in ("item_id", "summary", "media_type", "url", "executor", "signature", "encrypted", "provider"):
            if (value := getattr(event, name, msgspec.UNSET)) is not msgspec.UNSET:
                setattr(self, name, value)


def characters(piece: bytes) -> int:
    """Returns how many characters a JSON string has."""
    if b"\\" not in piece and piece.isascii():
        return len(piece) - 2
    return len(msgspec.json.decode(piece, type=str))
