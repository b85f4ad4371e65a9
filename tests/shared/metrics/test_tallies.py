"""Plain counts: what they add up to, and what a reader gets."""

from __future__ import annotations

import pytest

from shared.metrics import tallies
from shared.metrics.tallies import Counts, Level, Times


def test_counts_begin_at_zero_where_their_labels_are_known() -> None:
    assert Counts("n", "h").values() == {(): 0}
    counts = Counts("n", "h", ("a",), [("x",)])
    counts.add("y", amount=2.5)
    counts.add("y")
    assert counts.values() == {("x",): 0, ("y",): 3.5}


def test_labels_that_together_are_too_many_share_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MAX_SERIES", 2)
    counts = Counts("n", "h", ("state", "model", "owner"))
    for owner in ("a", "b", "c", "d", "a"):
        counts.add("failed", "m", owner)
    assert counts.values() == {("failed", "m", "a"): 2, ("failed", "m", "b"): 1, ("failed", "other", "other"): 2}


def test_a_time_is_in_the_first_bucket_whose_bound_it_does_not_pass() -> None:
    times = Times("n", "h", (0.1, 1))
    for seconds in (0.0, 0.1, 0.11, 1, 1.01, 600, -3):
        times.take(seconds)
    assert times.rows() == {(): [3, 2, 2, 0.1 + 0.11 + 1 + 1.01 + 600]}


def test_what_was_read_does_not_change() -> None:
    times, counts = Times("n", "h", (1,), ("a",)), Counts("n", "h")
    times.take(0.5, "x")
    rows, values = times.rows(), counts.values()
    times.take(0.5, "x")
    times.take(0.5, "y")
    counts.add()
    assert rows == {("x",): [1, 0, 0.5]}
    assert values == {(): 0}


def test_a_level_is_asked_for_each_time() -> None:
    levels = iter([1, None])
    level = Level("n", "h", lambda: next(levels))
    assert [level.read(), level.read()] == [1, None]
