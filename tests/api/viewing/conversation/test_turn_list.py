"""What a look at the index changes: nothing, a new turn, one that is missing, or another order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api.viewing.conversation.turn_list import Change, TurnList
from shared.conversations.conversations import Numbered
from shared.conversations.look import IndexLook


def turns(text: str, first: int = 1) -> list[Numbered]:
    """`a b` are the turns 1 and 2; a dot is a hole."""
    return [Numbered(number, id) for number, id in enumerate(text.split(), first) if id != "."]


def looked(text: str, since: int = 0) -> IndexLook:
    """The index, looked at from a number on."""
    whole = turns(text)
    return IndexLook(True, False, len(whole), [turn for turn in whole if turn.number >= since])


def known(text: str) -> TurnList:
    made = TurnList()
    assert made.extend(looked(text)) == turns(text)
    return made


def ids(of: Sequence[Numbered]) -> str:
    return " ".join(turn.id for turn in of)


def test_what_has_come_is_added() -> None:
    made = known("a b")
    assert made.extend(looked("a b", 2)) == []
    assert made.extend(looked("a b c . d", 2)) == [Numbered(3, "c"), Numbered(5, "d")]
    assert made.newest == 5
    assert ids(made.after(0, 10)) == "a b c d"
    assert ids(made.after(2, 1)) == "c"
    assert ids(made.after(3, 9)) == "d"
    assert ids(made.after(5, 9)) == ""
    assert [made.number(id) for id in "abcdx"] == [1, 2, 3, 5, None]
    assert TurnList().newest == 0


@pytest.mark.parametrize(
    "index",
    ["a", "a x", "a x b", "b", "a b b", ". b", ""],
)
def test_an_index_that_does_not_go_on_is_to_be_read_anew(index: str) -> None:
    made = known("a b")
    assert made.extend(looked(index, 2)) is None
    assert ids(made.after(0, 9)) == "a b"


@pytest.mark.parametrize(
    ("before", "index", "change", "after"),
    [
        ("a b", "a b c", Change(turns("c", 3), []), "a b c"),
        # Deleted or forgotten: it stays until that is known.
        ("a b c", "a . c", Change([], turns("b", 2)), "a b c"),
        ("a b c", "a", Change([], turns("b c", 2)), "a b c"),
        ("a b", "", Change([], turns("a b")), "a b"),
        ("a b c", ". b c d", Change(turns("d", 4), turns("a")), "a b c d"),
        # Another order, from this number on.
        ("a b c", "a c b", Change(turns("c b", 2), moved=2), "a c b"),
        ("a b c", "a b d", Change(turns("d", 3), moved=3), "a b d"),
        ("a b c", "x", Change(turns("x"), moved=1), "x"),
        ("a . c", "a b c", Change(turns("b c", 2), moved=2), "a b c"),
        ("a b", ". . b", Change(turns("b", 3), moved=2), "b"),
    ],
)
def test_the_whole_index_says_what_has_changed(before: str, index: str, change: Change, after: str) -> None:
    made = known(before)
    assert made.replace(turns(index)) == change
    assert ids(made.after(0, 9)) == after


def test_a_turn_that_is_gone_is_taken_out() -> None:
    made = known("a b c")
    made.replace(turns("a . c"))
    made.remove(Numbered(2, "b"))
    assert ids(made.after(0, 9)) == "a c"
    assert made.extend(looked("a . c", 3)) == []
