"""The frames of a track in few large pieces of memory: each on its own would cost a third more than its bytes."""

from array import array
from bisect import bisect_right
from itertools import accumulate

from api.viewing import sse_frames

BLOCK_BYTES = 16_384
"""Bytes of frames that are joined to a block; what is newer stays as it came."""


class Frames:
    """The events of one dialect on the wire: they grow at the end, and are read from any event on.

    A position is a number of the dialect's events.
    """

    __slots__ = ("_blocks", "_ends", "_recent", "_size", "_starts", "count")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begins anew, with none."""
        self.count = 0
        """Number of events."""
        self._blocks: list[bytes] = []
        self._starts: list[int] = []
        """Position before each block."""
        self._ends: list[array[int]] = []
        """Of each block, where each of its events ends."""
        self._recent: list[bytes] = []
        """Events after the last block."""
        self._size = 0
        """Their bytes."""

    @property
    def size(self) -> int:
        """Returns the bytes of all of them."""
        return sum(map(len, self._blocks)) + self._size

    def add(self, frame: bytes) -> None:
        """Adds the next event."""
        if len(frame) > sse_frames.MAX_SLICE_BYTES and self._recent:
            self._close_block()  # a long frame has a block to itself, from which it is read without a copy
        self._recent.append(frame)
        self.count += 1
        self._size += len(frame)
        if self._size >= BLOCK_BYTES:
            self._close_block()

    def _close_block(self) -> None:
        self._starts.append(self.count - len(self._recent))
        self._ends.append(array("I", accumulate(map(len, self._recent))))
        self._blocks.append(b"".join(self._recent))
        self._recent, self._size = [], 0

    def read(self, position: int) -> tuple[bytes, int]:
        """Returns what follows a position, and the position after it.

        It is about MAX_WRITE_BYTES at most, maybe none, or one long frame.
        """
        recent = self.count - len(self._recent)
        if position >= recent:
            return b"".join(self._recent[position - recent :]), self.count
        number = bisect_right(self._starts, position) - 1
        index = position - self._starts[number]
        pieces = [self._blocks[number][self._ends[number][index - 1] if index else 0 :]]
        size = len(pieces[0])
        for later in range(number + 1, len(self._blocks)):
            if size >= sse_frames.MAX_WRITE_BYTES or len(self._blocks[later]) > sse_frames.MAX_SLICE_BYTES:
                return b"".join(pieces), self._starts[later]
            pieces.append(self._blocks[later])
            size += len(pieces[-1])
        if size > sse_frames.MAX_SLICE_BYTES:
            return b"".join(pieces), recent
        # Those after the last block are fewer bytes than one.
        return b"".join(pieces + self._recent), self.count
