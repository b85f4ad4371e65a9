"""Event streams over HTTP: their headers, and frames as pieces for single writes."""

from collections.abc import Iterator, Sequence

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # A proxy that compresses would hold the stream to its end (RFC 9111, 5.2.2.6).
    (b"cache-control", b"no-store, no-transform"),
    # nginx and what follows its convention would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]
MAX_WRITE_BYTES = 65_536
"""Bytes after which no further frame is joined to a write."""
MAX_SLICE_BYTES = 262_144
"""Most bytes of one write; a longer frame, such as an image, is joined to no other and written in slices."""

COMMENT = b": \n"
"""A line that no client reads, without a blank one: that would end a block."""

Piece = bytes | memoryview
"""What is written at a time: bytes in one write; or a view of what all viewers share, slice by slice."""


def join(frames: Sequence[bytes], *, chunked: bool) -> list[Piece]:
    """Joins frames to pieces of about MAX_WRITE_BYTES bytes."""
    pieces: list[Piece] = []
    begin = size = 0
    for index, one in enumerate(frames):
        if len(one) > MAX_SLICE_BYTES and begin < index:
            pieces.append(on_wire(b"".join(frames[begin:index]), chunked=chunked))
            begin, size = index, 0
        size += len(one)
        if size >= MAX_WRITE_BYTES or index + 1 == len(frames):
            pieces.append(on_wire(b"".join(frames[begin : index + 1]), chunked=chunked))
            begin, size = index + 1, 0
    return pieces


def on_wire(body: bytes, *, chunked: bool) -> Piece:
    """Returns joined frames as a piece: a view of long ones, else a chunk where the connection takes chunks."""
    if len(body) > MAX_SLICE_BYTES:
        return memoryview(body)
    return chunk(body) if chunked else body


def slices(body: Piece) -> Iterator[bytes]:
    """Yields a piece in bytes for single writes, without chunks' framing where it is a view."""
    if isinstance(body, bytes):
        yield body
        return
    for start in range(0, len(body), MAX_SLICE_BYTES):
        yield bytes(body[start : start + MAX_SLICE_BYTES])


def chunk(body: bytes) -> bytes:
    """Returns one chunk of `chunked` (RFC 9112, section 7.1); none for nothing: that would be the last."""
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
