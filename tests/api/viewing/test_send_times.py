"""How long events take to their viewers: of every sixteenth delta, where somebody watches."""

from __future__ import annotations

import time

import pytest

from api.viewing.known_log import KnownLog
from api.viewing.send_times import EVERY, SendTimes, put_at
from shared.log.events import Delta, EventId, encode
from tests.api.viewing.framers import numbered, raw
from tests.api.viewing.test_known_log import Listener


def publication(token: int, t: int) -> bytes:
    return b"%d-1 %d-2\ndelta\n" % (token, token) + encode(Delta(part=0, kind="text", delta='"t":7\n', t=t))


def test_an_event_says_when_its_worker_took_it_in() -> None:
    assert put_at(publication(1_796_010_926_227, 250)) == 1_796_010_926.477


@pytest.mark.parametrize(
    ("watched", "ahead", "expected"), [(True, 5.0, True), (False, 5.0, False), (True, None, False)]
)
def test_one_in_sixteen_is_timed(watched: bool, ahead: float | None, expected: bool) -> None:
    took: list[float] = []
    known = KnownLog()
    Listener(known).watched = watched
    times = SendTimes(took.append, lambda: ahead)
    at_ms = int((time.monotonic() + 5.0) * 1000) - 250
    for number in range(1, 2 * EVERY + 1):
        times.published(known, publication(at_ms, 0))
        assert (known.sent is not None) is (watched and number % EVERY == 0)
        if known.sent is not None:
            known.sent()
            known.sent = None
    assert len(took) == (2 if expected else 0)
    assert all(0.24 < seconds < 5 for seconds in took)


def test_a_log_is_watched_where_one_of_its_listeners_is() -> None:
    known = KnownLog()
    assert not known.watched
    Listener(known)
    assert not known.watched
    Listener(known).watched = True
    assert known.watched
    known.extend(numbered(raw(10, 0)))
    assert known.last == EventId(10, 0)
