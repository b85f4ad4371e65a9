"""What the simulator saw: numbered, bounded, and by the key that a request's model carries."""

import time

import pytest

from simulator import journal as module
from simulator.journal import Journal, now_us


def test_an_entry_is_open_until_it_ends() -> None:
    journal, before = Journal(), now_us()
    entry = journal.open("openai_chat", "lorem?key=a", "a")
    (row,) = journal.rows()
    assert (row["n"], row["how"], row["ended_us"], row["first_write_us"], row["deltas"]) == (1, None, None, None, 0)
    assert (row["action"], row["response_id"], row["generated"]) == ("generate", None, None)
    entry.end("complete")
    (row,) = journal.rows()
    assert row["how"] == "complete"
    assert before <= row["received_us"] <= row["ended_us"] <= now_us()


def test_times_are_microseconds_since_the_epoch() -> None:
    assert abs(now_us() / 1e6 - time.time()) < 5


def test_rows_are_in_order_and_those_of_a_key_alone() -> None:
    journal = Journal()
    for key in ("a", "b", "a"):
        journal.open("openai_chat", "m", key)
    assert [row["n"] for row in journal.rows()] == [1, 2, 3]
    assert [row["n"] for row in journal.rows("a")] == [1, 3]
    assert journal.rows("c") == []


def test_numbers_go_on_after_a_clear() -> None:
    journal = Journal()
    for key in ("a", "b"):
        journal.open("openai_chat", "m", key)
    journal.clear("a")
    assert [row["key"] for row in journal.rows()] == ["b"]
    journal.clear()
    assert journal.rows() == []
    journal.open("openai_chat", "m", "a")
    assert [row["n"] for row in journal.rows()] == [3]


def test_the_oldest_are_forgotten_also_after_a_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    journal = Journal()
    for clears in (False, True):
        if clears:
            journal.clear("none")
        for _ in range(3):
            journal.open("openai_chat", "m", "a")
        assert len(journal.rows()) == 2
