"""What clients add up to, by hand-made histories: one in which all is well, and one for each way to get it wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.history import Folded, Page
from tests.chaos.test_conversation_rules import NAME, START, Talk


class Added:
    """The conversation of Talk as one client has it open, and its first turn as another has it."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.folded = Folded(at=START + 5, viewer="1.0", id="gen_a", state="completed", text="text")
        turns = [(turn.number, turn.id, "completed", "text") for turn in self.talk.turns]
        self.page = Page(at=START + 60, viewer="page", conversation=NAME, how="left", turns=turns)

    def rules(self) -> set[str]:
        """The rules that are found broken."""
        self.talk.more += [self.folded, self.page]
        return self.talk.rules()


def test_what_is_added_up_as_the_log_has_it() -> None:
    assert Added().rules() == set()


def another_end(added: Added) -> None:
    added.folded.state = "failed"


def another_text(added: Added) -> None:
    added.folded.text = "void and text"


def a_turn_is_missing(added: Added) -> None:
    del added.page.turns[1]


def a_turn_twice(added: Added) -> None:
    added.page.turns.append(added.page.turns[-1])


def another_order(added: Added) -> None:
    added.page.turns.reverse()


def a_turn_with_another_text(added: Added) -> None:
    added.page.turns[1] = (2, "gen_b", "completed", "")


def a_turn_that_still_runs(added: Added) -> None:
    added.page.turns[2] = (3, "gen_c", "running", "text")


def all_turns_never_came(added: Added) -> None:
    added.page.how = "hung"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (another_end, "folded"),
        (another_text, "folded"),
        (a_turn_is_missing, "page"),
        (a_turn_twice, "page"),
        (another_order, "page"),
        (a_turn_with_another_text, "folded"),
        (a_turn_that_still_runs, "folded"),
        (all_turns_never_came, "hung"),
    ],
)
def test_a_wrong_sum_is_found(change: Callable[[Added], None], rule: str) -> None:
    added = Added()
    change(added)
    assert added.rules() == {rule}


def test_a_turn_that_was_deleted_may_be_there_or_not() -> None:
    for dropped in (False, True):
        added = Added()
        added.talk.deleted("gen_c", 50.0)
        added.talk.index.held.pop()
        added.talk.index.listed = list(added.talk.index.held)
        added.talk.late[0].events = added.talk.late[0].events[:4]
        if dropped:
            added.page.turns.pop()
        assert added.rules() == set()


def test_what_a_killed_redis_forgot_may_add_up_to_something_else() -> None:
    """Its worker could not write it again, as it was killed as well."""
    for killed in (False, True):
        added = Added()
        another_text(added)
        if killed:
            added.talk.killed(2.6)
            added.talk.more.append(added.talk.fault("worker_kill", "w1", 2.6))
        assert added.rules() == (set() if killed else {"folded"})
