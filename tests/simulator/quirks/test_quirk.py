"""What quirks are made of."""

from collections.abc import Iterator

from simulator.quirks.event import Event
from simulator.quirks.quirk import ALL, CHAT, GEMINI, Quirk, Refusal, each, everywhere, numbered
from simulator.request import RequestRefusedError


def events(*data: object) -> Iterator[Event]:
    return iter([Event(n, one) for n, one in enumerate(data)])


def test_its_protocols_are_those_in_which_it_does_something() -> None:
    refusal = Refusal(RequestRefusedError(400, ""))
    assert Quirk("a", "", {GEMINI: iter, CHAT: iter}).protocols == (CHAT, GEMINI)
    assert Quirk("a", "", documents={GEMINI: str}).protocols == (GEMINI,)
    assert Quirk("a", "", refusals=dict.fromkeys(ALL, refusal)).protocols == ALL
    assert Quirk("a", "", everywhere(iter)).protocols == ALL


def test_each_sees_every_event_once_and_in_order() -> None:
    seen: list[object] = []
    assert [e.data for e in each(lambda event: seen.append(event.data))(events(1, 2))] == [1, 2] == seen


def test_numbers_have_no_gap_whatever_a_change_leaves_out() -> None:
    def without_second(given: Iterator[Event]) -> Iterator[Event]:
        yield from (event for event in given if event.due != 1)

    changed = numbered(without_second)(events({"sequence_number": 0}, {"sequence_number": 1}, {"sequence_number": 2}))
    assert [event.data["sequence_number"] for event in changed] == [0, 1]
