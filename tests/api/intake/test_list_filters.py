"""Filters of the list: what they let through, and which cannot be meant."""

from __future__ import annotations

import pytest

from api.intake.list_filters import ListFilters, read_filters
from api.problems.problem import ProblemError
from shared.record import Shown

MINE = Shown(metadata={"user": "ann", "run": "7"})


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ([], True),
        ([("limit", "3"), ("metadata", "x"), ("metadatauser", "x")], True),
        ([("metadata.user", "ann")], True),
        ([("metadata.user", "ann"), ("metadata.run", "7")], True),
        ([("metadata.user", "ann"), ("metadata.user", "ann")], True),
        ([("metadata.user", "ann"), ("metadata.run", "8")], False),
        ([("metadata.user", "Ann")], False),
        ([("metadata.other", "")], False),
    ],
)
def test_all_metadata_must_be_there(parameters: list[tuple[str, str]], wanted: bool) -> None:
    assert read_filters((), parameters).wants("queued", MINE) is wanted


def test_any_of_the_states_will_do() -> None:
    filters = read_filters(("queued", "running"), [("metadata.user", "ann")])
    assert filters.wants("running", MINE)
    assert not filters.wants("failed", MINE)
    assert not filters.wants("running", Shown())


def test_nothing_asked_is_no_filter() -> None:
    assert not read_filters((), [("limit", "3")])
    assert ListFilters(states=frozenset({"failed"}))
    assert read_filters((), [("metadata.a", "")])


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ([("metadata.", "x")], "metadata."),
        ([("metadata." + "n" * 65, "x")], "metadata." + "n" * 64),
        ([("metadata.a", "x" * 513)], "metadata.a"),
        ([("metadata.a", "1"), ("metadata.a", "2")], "metadata.a"),
    ],
)
def test_what_can_match_nothing_is_said(parameters: list[tuple[str, str]], pointer: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_filters((), parameters)
    assert [error.pointer for error in caught.value.errors] == [pointer]
