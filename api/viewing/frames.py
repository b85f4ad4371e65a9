"""The frames of a log in few large pieces of memory: each on its own would cost a third more than its bytes."""

from __future__ import annotations

from bisect import bisect_right

from api.viewing import sse_frames

BLOCK_BYTES = 16_384
"""Bytes of frames that are joined once there are so many: what is newer stays as it came."""


class Frames:
    """Grows at its end, and is read from any frame on."""

    __slots__ = ("_blocks", "_recent", "_size", "_starts", "count")

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""
        self._blocks: list[bytes] = []
        self._starts: list[int] = []
        """Number of each block's first frame."""
        self._recent: list[bytes] = []
        """Those after the last block."""
        self._size = 0
        """Their bytes."""

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(map(len, self._blocks)) + self._size

    def append(self, frame: bytes) -> None:
        """Add one."""
        self._recent.append(frame)
        self.count += 1
        self._size += len(frame)
        if self._size >= BLOCK_BYTES:
            self._starts.append(self.count - len(self._recent))
            self._blocks.append(b"".join(self._recent))
            self._recent, self._size = [], 0

    def read(self, position: int) -> tuple[bytes, int]:
        """The frames from a position on, about MAX_WRITE bytes at most; and the position after them."""
        recent = self.count - len(self._recent)
        if position >= recent:
            return b"".join(self._recent[position - recent :]), self.count
        number = bisect_right(self._starts, position) - 1
        block = self._blocks[number]
        pieces = [block[_start(block, position - self._starts[number]) :]]
        size = len(pieces[0])
        for later in range(number + 1, len(self._blocks)):
            if size >= sse_frames.MAX_WRITE_BYTES:
                return b"".join(pieces), self._starts[later]
            pieces.append(self._blocks[later])
            size += len(pieces[-1])
        # Those after the last block are fewer bytes than one.
        return b"".join(pieces + self._recent), self.count


def _start(block: bytes, index: int) -> int:
    """Where a frame begins: each ends with the only blank line in it."""
    start = 0
    for _ in range(index):
        start = block.index(b"\n\n", start) + 2
    return start
