"""What the wire formats have in common: the contract of a protocol and of one answer in it."""

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

from simulator.answer import Answer
from simulator.request import Request, RequestRefusedError

Headers = Sequence[tuple[bytes, bytes]]

_TEXT: Final = json.JSONEncoder(ensure_ascii=False).encode
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def quoted(text: str) -> bytes:
    """A JSON string in UTF-8. Surrogates have no UTF-8 form and go out as `\\uXXXX`."""
    return _TEXT(text).encode("utf-8", "backslashreplace")


def document(value: object) -> bytes:
    """Compact JSON in UTF-8, surrogates as in `quoted`."""
    return _COMPACT(value).encode("utf-8", "backslashreplace")


class WireWriter(Protocol):
    """One answer in one wire format. Stateful: deltas are asked for once, in order."""

    headers: Headers

    def opening(self) -> bytes:
        """What comes before the first delta is due."""

    def deltas(self, start: int, stop: int) -> bytes:
        """The events of the deltas from `start` to `stop`, and what must stand between them."""

    def closing(self) -> bytes:
        """The end of a complete answer, terminal marker included."""

    def error(self) -> bytes:
        """The protocol's error inside a stream."""

    def broken(self) -> bytes:
        """A whole event whose data is not JSON."""

    def keepalive(self) -> bytes:
        """Bytes that keep a connection alive and say nothing."""

    def whole(self) -> bytes:
        """The answer as one JSON document, for a request that does not stream."""


class WireFormat(Protocol):
    """One provider protocol."""

    name: str
    interleaves: bool
    """Whether fragments of parallel tool calls alternate."""
    fragments: bool
    """Whether a tool call comes in fragments at all."""
    extras: bool
    """Whether the script's `extras` mean something in it."""

    def read(self, body: dict[str, Any], headers: dict[bytes, bytes]) -> Request:
        """Raises `RequestRefusedError` where body and headers are not a request of this protocol."""

    def key(self, headers: dict[bytes, bytes]) -> str:
        """The credentials sent, empty without."""

    def write(self, request: Request, answer: Answer) -> WireWriter: ...

    def problem(self, refused: RequestRefusedError) -> tuple[bytes, Headers]:
        """The error document and the headers of a refusal."""

    def models(self, names: Sequence[str]) -> bytes: ...


def bearer(headers: dict[bytes, bytes]) -> str:
    """The token of `Authorization: Bearer` (RFC 6750), empty without."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
