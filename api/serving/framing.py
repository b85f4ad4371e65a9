"""Where each request of a connection ends (RFC 9112, section 6): its bytes are bounded before the parser gets them."""

import re
from collections.abc import Callable, Iterator

from api.problems.problem import ProblemError
from api.serving.request_head import RequestLine, begins, malformed, read_head, request_line

MAX_CHUNK_LINE_BYTES = 1024
"""Most bytes of a line that gives a chunk's size, extensions included."""

MAX_HEADER_FIELDS = 1000
"""Most header fields of a head: one of three bytes costs as much to read as one of a hundred."""

_ENDING = b"\r\n\r\n"
_BARE = re.compile(rb"(?<!\r)\n|\r[^\n]")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class RequestFraming:
    """The bytes of a connection, one request after the other.

    `held` is what came and was not taken. A head, and the trailers of a body, have `most` bytes at most.
    """

    def __init__(self, most: int) -> None:
        self.held = bytearray()
        self.whole = False
        """Whether the request has been taken to its end."""
        self.headed = False
        """Whether its head has been taken."""
        self.taken = 0
        """Bytes of its body that were taken."""
        self._most = most
        self._step: Callable[[], bytes | None] = self._head
        self._looked = 0
        self._line: RequestLine | None = None
        self._left = 0
        self._empty_line = False

    @property
    def begun(self) -> bool:
        """Says whether there is a part of a request that is not whole."""
        return bool(self.headed or self.held) and not self.whole

    def take(self) -> Iterator[bytes]:
        """Yields what there is of this request, for the parser. Raises ProblemError for bytes that are no request."""
        while not self.whole and (piece := self._step()) is not None:
            if piece:
                yield piece

    def next(self) -> None:
        """Goes on to the request after this one."""
        self.whole = self.headed = self._empty_line = False
        self.taken = self._looked = 0
        self._line = None
        self._step = self._head

    def _head(self) -> bytes | None:
        held = self.held
        if not self._empty_line and held.startswith(b"\r\n"):
            # Some clients end a body with one more line end than belongs to it (RFC 9112, 2.2).
            del held[:2]
            self._empty_line = True
        if not held or (held == b"\r" and not self._empty_line):
            return None
        if not begins(held):
            raise malformed("These bytes begin no request.")
        if self._line is None and (end := held.find(b"\r\n", max(0, self._looked - 1), self._most)) >= 0:
            self._line = request_line(bytes(held[:end]))
        lines = self._section(held)
        if lines is None:
            return None
        assert self._line is not None
        head = read_head(self._line, lines[1:])
        self.headed = True
        if head.length is None:
            self._step = self._size
        else:
            self._left, self._step = head.length, self._counted
            self.whole = not head.length
        return head.written

    def _section(self, held: bytearray) -> list[bytes] | None:
        """Returns the lines up to an empty one, taken; None where that has not come yet."""
        end = held.find(_ENDING, max(0, self._looked - 3), self._most)
        if end < 0 and len(held) >= self._most:
            raise _too_large(f"{self._most} bytes. Send less, or have the operator raise MIDSTREAM_MAX_HEADERS")
        if held.count(b"\n", 0, len(held) if end < 0 else end) > MAX_HEADER_FIELDS:
            raise _too_large(f"{MAX_HEADER_FIELDS} fields. Send fewer")
        if _BARE.search(held, max(0, self._looked - 1), len(held) if end < 0 else end):
            raise malformed("A line does not end with CR and LF.")
        if end < 0:
            self._looked = len(held)
            return None
        lines = bytes(held[:end]).split(b"\r\n")
        del held[: end + len(_ENDING)]
        self._looked = 0
        return lines

    def _counted(self) -> bytes | None:
        piece = self._some()
        self.whole = not self._left
        return piece

    def _some(self) -> bytes | None:
        if not self.held:
            return None
        piece = bytes(self.held[: self._left])
        del self.held[: self._left]
        self._left -= len(piece)
        self.taken += len(piece)
        return piece

    def _size(self) -> bytes | None:
        end = self.held.find(b"\r\n", 0, MAX_CHUNK_LINE_BYTES)
        if end < 0 and len(self.held) < MAX_CHUNK_LINE_BYTES and not _BARE.search(self.held):
            return None
        found = _SIZE.fullmatch(bytes(self.held[:end])) if end >= 0 else None
        if found is None:
            raise malformed("A chunk has no size.")
        self._left = int(found[1], 16)
        if self._left:
            del self.held[: end + 2]
            self._step = self._chunk
        else:
            # The line end of the last chunk stays: with it, trailers end as heads do, also where there is none.
            del self.held[:end]
            self._step = self._trailers
        return b""

    def _chunk(self) -> bytes | None:
        piece = self._some()
        if piece is None:
            return None
        if not self._left:
            self._step = self._chunk_end
        return b"%x\r\n%b\r\n" % (len(piece), piece)

    def _chunk_end(self) -> bytes | None:
        if len(self.held) < 2:
            return None
        if not self.held.startswith(b"\r\n"):
            raise malformed("A chunk is longer than its size.")
        del self.held[:2]
        self._step = self._size
        return b""

    def _trailers(self) -> bytes | None:
        # They are no headers, whatever they say (RFC 9110, 6.5.1), and have no meaning here.
        if self._section(self.held) is None:
            return None
        self.whole = True
        return b"0\r\n\r\n"


def _too_large(limit: str) -> ProblemError:
    return ProblemError(431, "headers_too_large", "The headers are too large", f"The limit is {limit}.")
