"""The parts of an answer on their way into chunks."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from api.dialects.ai_sdk.chunks import DELTA_END, chunk, delta_begin
from api.dialects.ai_sdk.provider_metadata import metadata_of
from shared.log import events
from shared.log.events import PartKind

UNNAMED_MEDIA_TYPE = "application/octet-stream"

_TAKEN = (
    "item_id", "call_id", "name", "executor", "summary", "media_type", "url", "is_error", "signature", "encrypted",
    "provider",
)  # fmt: skip
_CHUNKS: dict[PartKind, str] = {"text": "text", "refusal": "text", "reasoning": "reasoning"}
"""The chunks of what is read as it comes: a refusal is read like any text, as the protocol has no word for it."""


class SaidPart(msgspec.Struct):
    """A part so far."""

    kind: PartKind
    id: str
    """By which its chunks belong together; of a tool's call the id that the stream has for it."""
    before: bytes = b""
    """What stands before a piece of it in a chunk; empty where its pieces are not sent as they come."""
    keeps: bool = False
    """Whether its text is wanted at its end."""
    ended: bool = False
    item_id: str | None = None
    call_id: str | None = None
    name: str | None = None
    executor: Literal["client", "provider"] | None = None
    summary: bool | None = None
    media_type: str | None = None
    url: str | None = None
    is_error: bool | None = None
    signature: str | None = None
    encrypted: str | None = None
    provider: str | None = None
    pieces: list[bytes] = []

    def take(self, event: events.Part | events.PartEnd) -> None:
        """Takes over what an event says of it."""
        for name in _TAKEN:
            if (value := getattr(event, name, msgspec.UNSET)) is not msgspec.UNSET:
                setattr(self, name, value)

    @property
    def text(self) -> str:
        """What it keeps of its text."""
        return msgspec.json.decode(b'"%b"' % b"".join([piece[1:-1] for piece in self.pieces]), type=str)

    def grow(self, piece: bytes) -> Sequence[bytes]:
        """Returns the chunks of a piece, which is JSON."""
        if self.keeps:
            self.pieces.append(piece)
        return (self.before + piece + DELTA_END,) if self.before and piece != b'""' else ()

    def begin(self) -> Sequence[bytes]:
        """Returns the chunk that begins a text, and lets its pieces follow."""
        if (type := _CHUNKS.get(self.kind)) is None:
            return ()
        self.before = delta_begin(type, self.id)
        return (chunk(f"{type}-start", id=self.id),)

    def end(self) -> Sequence[bytes]:
        """Returns the chunk that ends a text, or that is a file."""
        if self.ended:
            return ()
        self.ended = True
        if (type := _CHUNKS.get(self.kind)) is not None:
            return (chunk(f"{type}-end", id=self.id, providerMetadata=metadata_of(self)),)
        return (self._file(),) if self.kind == "file" and (self.url or self.pieces) else ()

    def _file(self) -> bytes:
        media_type = self.media_type or UNNAMED_MEDIA_TYPE
        url: Any = self.url
        if url is None:
            # It may have many MB, and is not decoded and encoded again.
            begun = msgspec.json.encode(f"data:{media_type};base64,")[:-1]
            url = msgspec.Raw(b"".join([begun, *[memoryview(piece)[1:-1] for piece in self.pieces], b'"']))
            self.pieces.clear()
        return chunk("file", url=url, mediaType=media_type)
