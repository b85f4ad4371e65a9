"""An event as it stands in the log: what Redis replies, and the same again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log.entry import Entry, read_id
from shared.log.events import ORIGIN, EventId

LARGEST = (1 << 64) - 1
IDS = st.builds(EventId, st.integers(0, LARGEST), st.integers(0, LARGEST))


@given(IDS, st.sampled_from(["attempt", "delta", "completed"]), st.binary(max_size=20))
def test_what_is_written_is_read_as_it_was(event_id: EventId, type: str, data: bytes) -> None:
    entry = Entry(event_id, type, data)
    assert Entry.read(entry.raw) == entry


def test_it_is_as_redis_replies_it() -> None:
    raw = (b"1767225600000-12", (b"delta", b'{"t":1}'))
    entry = Entry.read(raw)
    assert entry == Entry(EventId(1_767_225_600_000, 12), "delta", b'{"t":1}')
    assert entry.raw == raw


@given(IDS)
def test_an_id_is_read_as_redis_writes_it(event_id: EventId) -> None:
    assert read_id(str(event_id).encode()) == event_id


def test_the_id_before_all_others() -> None:
    assert read_id(b"0-0") == ORIGIN


@pytest.mark.parametrize("raw", [b"", b"1", b"-1", b"a-b", b"1-", b"1-2-3"])
def test_what_is_no_id_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        read_id(raw)
