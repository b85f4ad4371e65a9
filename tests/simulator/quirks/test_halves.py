"""The first half of an answer, and the end that fits it."""

from simulator.quirks.event import Event
from simulator.quirks.halves import first_half


def block(due: int, kind: str, index: int) -> Event:
    return Event(due, {"type": f"content_block_{kind}", "index": index}, f"content_block_{kind}")


def test_half_of_the_deltas_and_all_of_the_end() -> None:
    said, end = first_half(iter([Event(due, {}) for due in (-1, 0, 1, 2, 3, 4, 4)]))
    assert [event.due for event in said] == [-1, 0, 1]
    assert [event.due for event in end] == [4, 4]


def test_at_least_one_delta() -> None:
    said, end = first_half(iter([Event(due, {}) for due in (-1, 0, 1)]))
    assert [event.due for event in said] == [-1, 0]
    assert len(end) == 1
    said, end = first_half(iter([Event(due, {}) for due in (-1, 0)]))
    assert [event.due for event in (*said, *end)] == [-1, 0]
    assert len(end) == 1


def test_only_a_block_that_is_open_is_stopped() -> None:
    opened = [block(0, "start", 0), Event(0, {}), block(1, "stop", 0), block(1, "start", 1), Event(3, {})]
    stops = [block(4, "stop", 0), block(4, "stop", 1), block(4, "stop", 2)]
    _, end = first_half(iter([*opened, *stops]))
    assert [event.data["index"] for event in end] == [1]
