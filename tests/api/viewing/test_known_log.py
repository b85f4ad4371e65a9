"""What is known of a log: positions, ends, and what its listeners are given."""

from __future__ import annotations

import pytest

from api.viewing.known_log import KnownLog
from shared.log.entry import RawEntry
from shared.log.events import ORIGIN, EventId
from tests.api.viewing.framers import numbered, raw


class Listener:
    """Notes what it is given."""

    watched = False

    def __init__(self, known: KnownLog) -> None:
        self.entries: list[RawEntry] = []
        self.calls: list[str] = []
        known.listen(self)

    def add(self, entry: RawEntry) -> None:
        self.entries.append(entry)
        self.calls.append("add")

    def reset(self, same: int) -> None:
        self.entries.clear()
        self.calls.append(f"reset {same}")

    def queued(self, position: int | None) -> None:
        self.calls.append(f"queued {position}")

    def changed(self) -> None:
        self.calls.append("changed")


def test_positions_over_several_attempts() -> None:
    known = KnownLog()
    entries = [*(raw(10, seq) for seq in range(3)), *(raw(20, seq) for seq in range(2)), raw(30, 0)]
    known.extend(numbered(*entries))
    assert known.count == 6
    assert known.last == EventId(30, 0)
    assert [known.position(event_id) for event_id, _ in numbered(*entries)] == [1, 2, 3, 4, 5, 6]
    assert [known.id_at(position) for position in range(1, 7)] == [event_id for event_id, _ in numbered(*entries)]
    assert known.id_at(0) == ORIGIN
    for never in ((10, 3), (20, 2), (30, 1), (5, 0), (25, 0)):
        assert known.position(EventId(*never)) is None
    assert known.position(ORIGIN) == 0
    assert not known.trimmed


def test_positions_in_a_log_whose_start_was_removed() -> None:
    known = KnownLog()
    known.extend(numbered(raw(10, 4), raw(10, 5)))
    assert known.trimmed
    assert [known.position(EventId(10, seq)) for seq in range(2, 7)] == [None, 0, 1, 2, None]


def test_a_delta_that_follows_is_taken_as_it_was_published() -> None:
    known = KnownLog()
    listener = Listener(known)
    known.extend(numbered(raw(10, 0, "attempt"), raw(10, 1, "part")))
    assert known.take_delta(b'10-1 10-2\ndelta\n{"part":0}')
    assert listener.entries[-1] == raw(10, 2, "delta", b'{"part":0}')
    assert listener.calls == ["add", "add", "add", "changed"]
    assert known.position(EventId(10, 2)) == known.count == 3


@pytest.mark.parametrize(
    "message",
    [
        b"10-0 10-1\ndelta\n{}",
        b"10-2 10-3\ndelta\n{}",
        b"10-1 10-2\npart_end\n{}",
        b"10-1 10-2\ndelta\n{}\ndelta\n{}",
        b"10-1 20-0\nattempt\n{}",
        b"deleted",
    ],
)
def test_what_is_not_one_delta_that_follows_is_left(message: bytes) -> None:
    known = KnownLog()
    listener = Listener(known)
    known.extend(numbered(raw(10, 0), raw(10, 1)))
    assert not known.take_delta(message)
    assert known.count == len(listener.entries) == 2


def test_nothing_follows_the_end() -> None:
    known = KnownLog()
    known.extend(numbered(raw(10, 0, "attempt"), raw(10, 1, "completed")))
    assert (known.state, known.ended, known.gone) == ("completed", True, False)
    assert not known.take_delta(b"10-1 10-2\ndelta\n{}")


def test_another_log_is_given_from_its_start_after_what_is_the_same() -> None:
    known = KnownLog()
    listener = Listener(known)
    known.extend(numbered(raw(10, 0), raw(10, 1), raw(10, 2), raw(10, 3, "completed")))
    listener.calls.clear()
    others = [raw(10, 0), raw(10, 1), raw(20, 0)]
    assert known.replace(others) == 2
    assert listener.calls == ["reset 2", "add", "add", "add"]
    assert listener.entries == others
    assert (known.count, known.state, known.last) == (3, None, EventId(20, 0))
    assert known.take_delta(b"20-0 20-1\ndelta\n{}")
    assert known.replace([]) == 0
    assert (known.count, known.last) == (0, ORIGIN)


def test_all_listeners_are_given_the_same() -> None:
    known = KnownLog()
    first, second = Listener(known), Listener(known)
    known.wait(3)
    known.extend(numbered(raw(10, 0)))
    known.tell()
    known.take_delta(b"10-0 10-1\ndelta\n{}")
    known.end()
    assert first.calls == ["queued 3", "changed", "add", "changed", "add", "changed", "changed"]
    assert (second.calls, second.entries) == (first.calls, first.entries)
    assert known.ended
