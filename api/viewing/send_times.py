"""How long an event takes from its worker to the sockets of its viewers, of every sixteenth delta.

An event says when its worker took it in: its token is Redis' time, `t` the ms since then by the worker's clock. So the
moment of the write is needed on Redis' clock too.
"""

import time
from collections.abc import Callable
from functools import partial

import msgspec

from api.viewing.known_log import KnownLog

EVERY = 16
"""Deltas of this process, of all logs together, of which one is timed."""


class _Timed(msgspec.Struct):
    t: int = 0


_read = msgspec.json.Decoder(_Timed).decode


class SendTimes:
    """Times deltas. `took` is told the seconds of each, `ahead` says by how many s Redis' clock is ahead of ours.

    Ours is time.monotonic; where the distance is not known, nothing is timed.
    """

    def __init__(self, took: Callable[[float], None], ahead: Callable[[], float | None]) -> None:
        self._took, self._ahead = took, ahead
        self._left = EVERY

    def published(self, known: KnownLog, message: bytes) -> None:
        """Takes the publication of one delta, which the log's followers have been told of."""
        self._left -= 1
        if self._left > 0:
            return
        self._left = EVERY
        if known.watched:
            known.sent = partial(self._sent, put_at(message))

    def _sent(self, put_at_s: float) -> None:
        ahead = self._ahead()
        if ahead is not None:
            self._took(time.monotonic() + ahead - put_at_s)


def put_at(message: bytes) -> float:
    """Returns when the worker took in the delta of this publication: s of Redis' clock."""
    header, _, data = message.split(b"\n", 2)
    token = int(header.split(b" ")[1].partition(b"-")[0])
    return (token + _read(data).t) / 1000
