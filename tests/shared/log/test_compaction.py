"""Packing: the same events, with the same ids and bytes, from any cursor on."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from shared.log.compaction import MAX_PACKED_DELTAS, PACKED_FIELD, pack, unpack, unpacked
from shared.log.entry import Entry
from shared.log.events import ORIGIN, Completed, Delta, Event, EventId, Part, PartEnd, encode

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    delta = Delta(part=draw(st.integers(0, 1)), kind=draw(st.sampled_from(["text", "reasoning"])), delta=draw(texts))
    delta.t = draw(st.integers(0, 2_000))
    if draw(st.booleans()):
        delta.sequence_number = draw(st.integers(0, 1 << 40))
    if draw(st.booleans()):
        logprob = draw(st.floats(max_value=0, allow_nan=False, allow_infinity=False))
        delta.logprobs = [{"token": "a", "logprob": logprob, "bytes": None, "top_logprobs": []}]
    return delta


events = st.one_of(
    deltas(),
    deltas(),
    deltas(),
    st.builds(Part, part=st.just(0), kind=st.just("text")),
    st.builds(PartEnd, part=st.just(0)),
)


def entries(said: list[list[Event]]) -> list[Entry]:
    """A log of one attempt for each list."""
    return [
        Entry(EventId(1_000 + token, seq), event.type, encode(event))
        for token, attempt in enumerate(said)
        for seq, event in enumerate(attempt)
    ]


def read(kept: list[Entry], cursor: EventId, most: int) -> list[Entry]:
    return [Entry.read(raw) for raw in unpacked([entry.raw for entry in kept], cursor, most)]


@given(st.lists(st.lists(events, max_size=90), max_size=3), st.data())
@settings(deadline=None, max_examples=60)
def test_a_read_from_any_cursor_gives_what_it_gave(said: list[list[Event]], data: st.DataObject) -> None:
    log = entries(said)
    packed = pack(log)
    cursor = data.draw(st.sampled_from([ORIGIN, *(entry.id for entry in log)]))
    most = data.draw(st.integers(1, 200))
    kept = [entry for entry in packed if entry.id > cursor]
    assert read(kept, cursor, most) == [entry for entry in log if entry.id > cursor][:most]


def story(count: int) -> list[Entry]:
    said: list[Event] = [Part(part=0, kind="text")]
    for number in range(count):
        delta = Delta(part=0, kind="text", delta=("lorem ", "ipsum ", "dolor ")[number % 3])
        delta.t = number * 20
        said.append(delta)
    return entries([[*said, Completed(finish_reason="stop")]])


def test_what_has_a_place_of_its_own_keeps_it() -> None:
    log = story(3 * MAX_PACKED_DELTAS)
    packed = pack(log)
    assert [entry.type for entry in packed] == ["part", PACKED_FIELD, PACKED_FIELD, PACKED_FIELD, "completed"]
    assert (packed[0], packed[-1]) == (log[0], log[-1])
    assert packed[1].id == log[MAX_PACKED_DELTAS].id
    assert sum(len(entry.data) for entry in packed) < sum(len(entry.data) for entry in log) / 8


@pytest.mark.parametrize("data", [b'{"t":0, "part":0,"kind":"text","delta":"a"}', b'{"part":0}', b"\xff"])
def test_what_would_not_come_back_as_it_was_is_left_alone(data: bytes) -> None:
    strange = Entry(EventId(1_000, 5), "delta", data)
    log = [*story(4)[:5], strange, *entries([[Delta(part=0, kind="text", delta="b")] * 9])[6:]]
    assert strange in pack(log)
    assert read(pack(log), ORIGIN, 99) == log


@pytest.mark.parametrize("data", [b"", b"nonsense", msgspec.json.encode([1])])
def test_a_packed_entry_that_cannot_be_read_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"packed entry|JSON|array"):
        list(unpack(Entry(EventId(1, 1), PACKED_FIELD, data)))


def test_logprobs_are_packed_and_without_them_nothing_is_said_of_them() -> None:
    plain: list[Event] = [Delta(part=0, kind="text", delta=f"word {n} ", t=n) for n in range(9)]
    (packed,) = pack(entries([plain]))
    assert len(msgspec.json.decode(zlib.decompress(packed.data, -15))) == 6
    weighed: list[Event] = [
        Delta(
            part=0,
            kind="text",
            delta=f"word {n} ",
            t=n,
            logprobs=[{"token": "word", "logprob": -0.1 * n}] if n else UNSET,
        )
        for n in range(9)
    ]
    (packed,) = pack(entries([weighed]))
    assert packed.type == PACKED_FIELD
    assert list(unpack(packed)) == entries([weighed])
