"""Event streams over HTTP: their headers, and frames as pieces for single writes."""

from collections.abc import Sequence

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # A proxy that compresses would hold the stream to its end (RFC 9111, 5.2.2.6).
    (b"cache-control", b"no-store, no-transform"),
    # nginx and what follows its convention would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]
MAX_WRITE_BYTES = 65_536
"""Bytes after which no further frame is joined to a write."""


def join(frames: Sequence[bytes], *, chunked: bool) -> list[bytes]:
    """Joins frames to pieces of about MAX_WRITE_BYTES bytes, each for one write."""
    pieces, begin, size = [], 0, 0
    for index, one in enumerate(frames, 1):
        size += len(one)
        if size >= MAX_WRITE_BYTES or index == len(frames):
            piece = b"".join(frames[begin:index])
            pieces.append(chunk(piece) if chunked else piece)
            begin, size = index, 0
    return pieces


def chunk(body: bytes) -> bytes:
    """Returns one chunk of `chunked` (RFC 9112, section 7.1); none for nothing: that would be the last."""
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
