"""Words that stand for others: no two alike, none that is there already, and the same each time."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from worker.providers.stand_ins import stand_ins

LEGAL = re.compile(r"[a-z_]{1,4}")


def written(word: str, tries: int) -> str:
    return re.sub(r"[^a-z]", "_", word) + chr(ord("a") + tries) * (tries > 0)


@given(st.lists(st.text("ab._/ ", min_size=1, max_size=3), max_size=6))
def test_no_two_are_alike(words: list[str]) -> None:
    found = stand_ins(words, LEGAL, written)
    assert found.keys() == {word for word in words if not LEGAL.fullmatch(word)}
    assert all(LEGAL.fullmatch(word) for word in found.values())
    assert len({*found.values()} | ({*words} - found.keys())) == len({*words})
    assert stand_ins(words, LEGAL, written) == found


def test_a_word_that_is_there_already_is_no_stand_in() -> None:
    assert stand_ins(["a.b", "a_b", "a/b"], LEGAL, written) == {"a.b": "a_bb", "a/b": "a_bc"}


def test_where_all_are_legal_there_is_none() -> None:
    assert stand_ins(["a", "b", "a"], LEGAL, written) == {}
    assert stand_ins([], LEGAL, written) == {}
