"""Events from the bytes of the good writers, and back to the same bytes."""

import pytest

from simulator.answer import compose
from simulator.quirks.event import Event, events_of
from simulator.script import parse_script
from simulator.server import CHAT, GEMINI, MESSAGES, RESPONSES
from simulator.wire import WireFormat
from tests.simulator.in_memory import request


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES, GEMINI], ids=lambda wire: wire.name)
@pytest.mark.parametrize("model", ["lorem?unicode=1", "tools", "reasoning", "refusal", "demo"])
def test_what_is_not_changed_stays_byte_for_byte(wire: WireFormat, model: str) -> None:
    asked = request(model)
    answer = compose(parse_script(model), asked, interleave=wire.interleaves, fragments=wire.fragments)
    writer = wire.write(asked, answer)
    total = len(answer.deltas)
    for frames, due in ((writer.opening(), -1), (writer.deltas(0, total), 0), (writer.closing(), total)):
        events = list(events_of(frames, due))
        assert b"".join(event.frame() for event in events) == frames
        assert all(event.due == due for event in events)


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES, GEMINI], ids=lambda wire: wire.name)
def test_halves_of_emoji_stay_halves(wire: WireFormat) -> None:
    asked = request()
    writer = wire.write(asked, compose(parse_script("lorem?deltas=20&surrogates=1"), asked, interleave=False))
    frames = writer.deltas(0, 20)
    assert b"".join(event.frame() for event in events_of(frames, 0)) == frames
    assert b"\\ud83" in frames


def test_an_event_that_follows_is_sent_with_it_and_ends_its_lines_alike() -> None:
    event = Event(4, {"a": 1}, "one", b"\r\n")
    assert event.after({"b": [1]}, "two").frame() == b'event: two\r\ndata: {"b":[1]}\r\n\r\n'
    assert event.after([1]).frame() == b"data: [1]\r\n\r\n"
    raw = event.bytes_after(b": comment\n\n")
    assert (raw.frame(), raw.due, event.after("x").due) == (b": comment\n\n", 4, 4)
