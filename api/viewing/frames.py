"""A track's newest frames, in few large pieces of memory: each on its own would cost a third more than its bytes."""

from array import array
from bisect import bisect_right
from itertools import accumulate

from api.viewing import sse_frames

BLOCK_BYTES = 16_384
"""Bytes of frames that are joined to a block; what is newer stays as it came."""
WINDOW_BYTES = 131_072
"""Bytes of the newest frames that are always here."""
WINDOW_PARTS = 8
"""Of frames of more than this many windows one part in so many is here: each time a viewer falls behind the window, it
may have the whole log read, which so happens seldom in a long one."""


class Frames:
    """The events of one dialect on the wire: they grow at the end, and are read from any event on that is still here.

    A position is a number of the dialect's events. What is older than the window is dropped; the log has it.
    """

    __slots__ = ("_blocks", "_ends", "_recent", "_recent_size", "_starts", "_total", "count", "first", "size")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begins anew, with none."""
        self.count = 0
        """Number of events, dropped ones too."""
        self.first = 0
        """Position before the first event that is here."""
        self.size = 0
        """Bytes of all that are here."""
        self._total = 0
        """Bytes of all there were."""
        self._blocks: list[bytes] = []
        self._starts: list[int] = []
        """Position before each block."""
        self._ends: list[array[int]] = []
        """Of each block, where each of its events ends."""
        self._recent: list[bytes] = []
        """Events after the last block."""
        self._recent_size = 0
        """Their bytes."""

    def add(self, frame: bytes) -> None:
        """Adds the next event."""
        if len(frame) > sse_frames.MAX_SLICE_BYTES and self._recent:
            self._close_block()  # a long frame has a block to itself, from which it is read without a copy
        self._recent.append(frame)
        self.count += 1
        self.size += len(frame)
        self._total += len(frame)
        self._recent_size += len(frame)
        if self._recent_size >= BLOCK_BYTES:
            self._close_block()

    def _close_block(self) -> None:
        self._starts.append(self.count - len(self._recent))
        self._ends.append(array("I", accumulate(map(len, self._recent))))
        self._blocks.append(b"".join(self._recent))
        self._recent, self._recent_size = [], 0
        window = max(WINDOW_BYTES, self._total // WINDOW_PARTS)
        while self.size - len(self._blocks[0]) >= window:
            self._drop_block()

    def _drop_block(self) -> None:
        self.first += len(self._ends.pop(0))
        self.size -= len(self._blocks.pop(0))
        del self._starts[0]

    def read(self, position: int) -> tuple[bytes, int]:
        """Returns what follows a position from `first` on, and the position after it.

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
