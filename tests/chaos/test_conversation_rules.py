"""The rules of conversations, by hand-made histories: one in which all is well, and one for each broken promise."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import accumulate

import pytest

from tests.chaos.checker import Checker
from tests.chaos.evidence import Evidence
from tests.chaos.history import (
    AnyLine,
    Appended,
    Claimed,
    ConversationView,
    Delete,
    Fault,
    Post,
    Reported,
    Seen,
    Setup,
    Stored,
    Told,
    Turns,
)

START = 1_000.0
NAME = "talk"


class Turn:
    """A generation that is asked for `asked` s after the start, and completed two seconds later."""

    def __init__(self, letter: str, number: int, asked: float) -> None:
        self.id, self.number, self.asked = f"gen_{letter}", number, START + asked
        self.token = int(self.asked * 1000)
        self.deleted = False
        self.post = Post(
            at=self.asked + 0.1, sent=self.asked - 0.1, key=letter, api="a1", text="text", status=202, id=self.id,
            conversation=NAME,
        )  # fmt: skip
        types = ["attempt", "part", "delta", "completed"]
        self.events = [
            Seen(f"{self.token}-{n}", type, f"{letter}{n}", self.asked + 0.5 * n) for n, type in enumerate(types)
        ]

    @property
    def lines(self) -> list[AnyLine]:
        """What is known of it beside its followers."""
        end = self.asked + 2
        told = [(event.type, event.hash) for event in self.events[1:]]
        gone = [Stored(at=START + 90, id=self.id)] if self.deleted else []
        return [
            self.post,
            Claimed(at=self.asked, id=self.id, start="CLAIMED", token=self.token, number=1, last="0-0", worker="w1"),
            Appended(
                at=end, sent=end, id=self.id, token=self.token, previous=f"{self.token}-0", first=1, events=told,
                outcome="OK", last="0-0", worker="w1",
            ),
            Stored(
                at=START + 80, id=self.id, state="completed", seal=self.events[-1].id, text="text",
                events=[event._replace(at=0.0) for event in self.events],
            ),
            Reported(
                at=START + 80, id=self.id, api="a1", status=200, state="completed", last=self.events[-1].id
            ),
            *gone,
        ]  # fmt: skip

    def begins(self, type: str = "generation") -> Told:
        """What says that it begins."""
        id = f"{self.id[4:]}.0-0" if type == "generation" else ""
        return Told(id, type, f"{self.id} {self.number}", self.asked, self.id, self.number)

    def told(self) -> list[Told]:
        """Its events, as the conversation's stream tells them."""
        return [Told(f"{self.id[4:]}.{event.id}", event.type, event.hash, event.at) for event in self.events]

    def whole(self) -> list[Told]:
        """All of it."""
        return [self.begins(), *self.told()]

    def end(self) -> list[Told]:
        """All of it that is told who begins to look afterwards."""
        return [self.begins(), self.told()[-1]]


class Talk:
    """Three turns, the second asked for while the first runs: followed all the time, with a pause, and afterwards."""

    def __init__(self) -> None:
        self.setup = Setup(at=START - 10, seed=1, lease=2.0, workers=["w1"], apis=["a1", "a2"])
        self.turns = [Turn("a", 1, 0.5), Turn("b", 2, 1.0), Turn("c", 3, 20.0)]
        self.a, self.b, self.c = self.turns
        *first, last = self.a.whole()
        self.steady = [
            self.view("steady", 1, "", [*first, self.b.begins("begun"), last, *self.b.whole(), *self.c.whole()], 0.0)
        ]
        self.away = [
            self.view("away", 1, "", self.a.whole()[:3], 0.2),
            self.view("away", 2, self.a.told()[1].id, [*self.a.told()[2:], *self.b.whole()], 8.0, "cut"),
            self.view("away", 3, self.b.told()[-1].id, self.c.whole(), 19.0),
        ]
        self.late = [self.view("late", 1, "", [*self.a.end(), *self.b.end(), *self.c.end()], 30.0)]
        held = [(turn.number, turn.id) for turn in self.turns]
        self.index = Turns(at=START + 90, conversation=NAME, held=held, status=200, listed=list(held))
        self.more: list[AnyLine] = []

    def view(
        self, viewer: str, connection: int, cursor: str, events: list[Told], sent: float, how: str = "left"
    ) -> ConversationView:
        return ConversationView(
            at=START + sent + 5, viewer=viewer, connection=connection, conversation=NAME, api="a1", cursor=cursor,
            sent=START + sent, status=200, how=how, events=events,
        )  # fmt: skip

    def killed(self, at: float) -> None:
        self.more.append(self.fault("redis_kill", "redis", at))

    def fault(self, what: str, target: str, at: float) -> Fault:
        """Something done to a process for a second."""
        return Fault(at=START + at, until=START + at + 1, what=what, target=target)

    def deleted(self, id: str, at: float) -> None:
        for turn in self.turns:
            turn.deleted = turn.deleted or id in (NAME, turn.id)
        self.more.append(Delete(at=START + at + 0.1, id=id, api="a1", sent=START + at, status=204))

    @property
    def lines(self) -> list[AnyLine]:
        views = [*self.steady, *self.away, *self.late]
        for view in views:  # nobody sees an event before they ask, or before those that came earlier
            times = accumulate((event.at for event in view.events), max, initial=view.sent)
            view.events = [event._replace(at=at) for event, at in zip(view.events, list(times)[1:], strict=True)]
        return [self.setup, *(line for turn in self.turns for line in turn.lines), *views, self.index, *self.more]

    def rules(self) -> set[str]:
        """The rules that the checker finds broken."""
        return {violation.rule for violation in Checker(Evidence(deepcopy(self.lines))).check()}


def test_followers_of_whom_all_is_kept() -> None:
    talk = Talk()
    assert talk.rules() == set()
    checker = Checker(Evidence(talk.lines))
    checker.check()
    assert [checker.counts[name] for name in ("turns", "followers", "told beside another turn")] == [3, 3, 1]


def a_turn_is_left_out(talk: Talk) -> None:
    talk.away[1].events = talk.a.told()[2:]
    talk.away[2] = talk.view("away", 3, talk.a.told()[-1].id, talk.c.whole(), 19.0)


def the_last_turn_is_not_told(talk: Talk) -> None:
    talk.away.pop()


def another_order(talk: Talk) -> None:
    talk.late[0].events = [*talk.b.end(), *talk.a.end(), *talk.c.end()]


def a_turn_twice(talk: Talk) -> None:
    talk.away[2].events = [*talk.b.whole(), *talk.c.whole()]


def an_event_twice(talk: Talk) -> None:
    talk.away[1].events.insert(0, talk.a.told()[1])


def an_event_is_left_out(talk: Talk) -> None:
    del talk.away[1].events[0]


def a_turn_within_another(talk: Talk) -> None:
    events = talk.steady[0].events
    place = next(n for n, event in enumerate(events) if event.type == "begun")
    talk.steady[0].events = [*events[:place], *talk.b.whole(), events[place + 1], *talk.c.whole()]


def an_event_of_another_turn(talk: Talk) -> None:
    talk.steady[0].events[3:3] = talk.b.told()[:1]


def more_after_an_end(talk: Talk) -> None:
    talk.late[0].events.insert(2, talk.a.told()[-1])


def a_turn_that_began_meanwhile_is_cut_short(talk: Talk) -> None:
    talk.steady[0].events[-5:] = talk.c.end()


def a_turn_is_cut_short_for_one_who_comes_back(talk: Talk) -> None:
    talk.away[2].events = talk.c.end()


def another_end(talk: Talk) -> None:
    talk.late[0].events[1] = talk.a.told()[2]._replace(type="completed")


def other_bytes(talk: Talk) -> None:
    talk.late[0].events[1] = talk.late[0].events[1]._replace(hash="other")


def a_turn_that_begins_otherwise(talk: Talk) -> None:
    talk.late[0].events[0] = talk.late[0].events[0]._replace(hash="other")


def another_number(talk: Talk) -> None:
    for view in (*talk.steady, *talk.away, *talk.late):
        view.events = [event._replace(number=4) if event.number == 3 else event for event in view.events]


def begun_before_what_it_is_beside(talk: Talk) -> None:
    talk.steady[0].events.append(talk.c.begins("begun"))


def gone_for_no_reason(talk: Talk) -> None:
    talk.late[0].events.insert(2, Told("", "gone", "h", START + 30, talk.b.id, 2))


def the_index_has_it_not(talk: Talk) -> None:
    talk.index.held.pop()
    talk.index.listed = list(talk.index.held)
    for views in (talk.steady, talk.away, talk.late):
        views[-1].events = [event for event in views[-1].events if event.turn != "gen_c" and event.id[:1] != "c"]


def the_index_has_another_order(talk: Talk) -> None:
    for turn, number in ((talk.b, 3), (talk.c, 2)):
        turn.number = number
    talk.index.held = [(1, "gen_a"), (2, "gen_c"), (3, "gen_b")]
    talk.index.listed = list(talk.index.held)


def the_index_has_one_of_another(talk: Talk) -> None:
    talk.c.post.conversation = "other"


def the_list_lacks_one(talk: Talk) -> None:
    assert talk.index.listed is not None
    talk.index.listed.pop()


def no_list(talk: Talk) -> None:
    talk.index.listed, talk.index.status = None, 500


def a_reset(talk: Talk) -> None:
    anew = [Told("", "reset", "h", START + 19.2), *talk.a.end(), *talk.b.end(), *talk.c.whole()]
    talk.away[2].events = anew


def not_reset(talk: Talk) -> None:
    talk.late[0].cursor, talk.late[0].invented = "z.1-0", True


def it_is_not_there(talk: Talk) -> None:
    talk.away.insert(1, talk.view("away", 2, talk.a.told()[1].id, [], 7.0, "refused"))
    talk.away[1].status = 404
    for connection, view in enumerate(talk.away, 1):
        view.connection = connection


def it_is_no_more(talk: Talk) -> None:
    it_is_not_there(talk)
    talk.away[1].status = 410


def a_server_error(talk: Talk) -> None:
    it_is_not_there(talk)
    talk.away[1].status = 503


def a_clean_end(talk: Talk) -> None:
    talk.away[1].how = "end"


def nothing_comes(talk: Talk) -> None:
    talk.away[2].events, talk.away[2].how = [], "hung"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (a_turn_is_left_out, "lost"),
        (the_last_turn_is_not_told, "lost"),
        (another_order, "reordered"),
        (a_turn_twice, "duplicated"),
        (an_event_twice, "duplicated"),
        (an_event_is_left_out, "lost"),
        (a_turn_within_another, "mixed"),
        (an_event_of_another_turn, "mixed"),
        (more_after_an_end, "terminal"),
        (a_turn_that_began_meanwhile_is_cut_short, "short"),
        (a_turn_is_cut_short_for_one_who_comes_back, "lost"),
        (another_end, "complete"),
        (other_bytes, "content"),
        (a_turn_that_begins_otherwise, "content"),
        (another_number, "number"),
        (begun_before_what_it_is_beside, "begun"),
        (gone_for_no_reason, "gone"),
        (the_index_has_it_not, "lost"),
        (the_index_has_another_order, "order"),
        (the_index_has_one_of_another, "mixed"),
        (the_list_lacks_one, "listed"),
        (no_list, "listed"),
        (a_reset, "reset"),
        (not_reset, "reset"),
        (it_is_not_there, "status"),
        (it_is_no_more, "status"),
        (a_server_error, "status"),
        (a_clean_end, "unfinished"),
        (nothing_comes, "hung"),
    ],
)
def test_a_broken_promise_is_found(change: Callable[[Talk], None], rule: str) -> None:
    talk = Talk()
    change(talk)
    assert rule in talk.rules()


def it_drains(talk: Talk) -> None:
    a_clean_end(talk)
    talk.away[1].events.append(Told("", "drain", "h", START + 9))


def it_drains_before_it_can_say_that_a_cursor_is_of_no_use(talk: Talk) -> None:
    talk.late.insert(0, talk.view("late", 1, "z.1-0", [Told("", "drain", "h", START + 29)], 28.0, "end"))
    talk.late[0].invented, talk.late[1].connection = True, 2


def it_began_once_the_first_turn_was_over(talk: Talk) -> None:
    """It was asked for before there was any, and Redis could not say so."""
    late = talk.steady[0] = talk.view("steady", 1, "", [*talk.a.end(), *talk.b.whole(), *talk.c.whole()], 0.0)
    late.events[0] = late.events[0]._replace(at=START + 3)


def what_begins_is_told_before_a_reset(talk: Talk) -> None:
    talk.late[0].cursor, talk.late[0].invented = "c.1-0", True
    talk.late[0].events[:0] = [talk.c.begins("begun"), Told("", "reset", "h", START + 30)]


def its_node_goes_away(talk: Talk) -> None:
    a_clean_end(talk)
    talk.more.append(talk.fault("api_term", "a1", 12.5))


def it_was_told_what_a_cursor_makes_whole(talk: Talk) -> None:
    """From the beginning of a turn of which it had seen the end alone."""
    talk.late.append(talk.view("late", 2, talk.c.begins().id, talk.c.told(), 40.0))


def it_came_too_early(talk: Talk) -> None:
    it_is_not_there(talk)
    early = talk.away.pop(1)
    early.sent, early.at, early.cursor = START - 1, START - 0.9, ""
    talk.away.insert(0, early)
    for connection, view in enumerate(talk.away, 1):
        view.connection = connection


def a_turn_is_deleted_meanwhile(talk: Talk) -> None:
    talk.deleted("gen_b", 6.0)
    talk.index.held.remove((2, "gen_b"))
    assert talk.index.listed is not None
    talk.index.listed.remove((2, "gen_b"))
    talk.away[1].events[-4:] = [Told("", "gone", "h", START + 8.5, "gen_b", 2)]
    talk.away[2].cursor = talk.b.begins().id
    talk.late[0].events = [*talk.a.end(), *talk.c.end()]


def a_cursor_in_a_turn_that_was_deleted_is_of_no_use(talk: Talk) -> None:
    a_turn_is_deleted_meanwhile(talk)
    a_reset(talk)
    talk.away[2].events = [event for event in talk.away[2].events if not event.id.startswith("b.")]


def it_is_deleted_in_the_end(talk: Talk) -> None:
    talk.deleted(NAME, 35.0)
    talk.index.held, talk.index.listed, talk.index.status = [], None, 410
    talk.late.append(talk.view("late", 2, talk.c.told()[-1].id, [], 40.0, "refused"))
    talk.late[1].status = 410


@pytest.mark.parametrize(
    "change",
    [
        it_drains,
        it_began_once_the_first_turn_was_over,
        what_begins_is_told_before_a_reset,
        it_drains_before_it_can_say_that_a_cursor_is_of_no_use,
        its_node_goes_away,
        it_was_told_what_a_cursor_makes_whole,
        it_came_too_early,
        a_turn_is_deleted_meanwhile,
        a_cursor_in_a_turn_that_was_deleted_is_of_no_use,
        it_is_deleted_in_the_end,
    ],
)
def test_what_is_right_is_not_found_wrong(change: Callable[[Talk], None]) -> None:
    talk = Talk()
    change(talk)
    assert talk.rules() == set()


def test_a_killed_redis_excuses_a_reset() -> None:
    talk = Talk()
    a_reset(talk)
    talk.killed(3.0)
    assert talk.rules() == set()


@pytest.mark.parametrize(("killed", "rules"), [(2.0, set()), (25.0, {"number", "content"})])
def test_a_turn_has_another_number_only_where_a_killed_redis_forgot_it(killed: float, rules: set[str]) -> None:
    """The second turn is noted again behind the third, which one had come to see as the third, and another did not."""
    talk = Talk()
    for turn, number in ((talk.b, 3), (talk.c, 2)):
        turn.number = number
    talk.late[0].events = [*talk.a.end(), *talk.c.end(), *talk.b.end()]
    talk.index.held = [(1, "gen_a"), (2, "gen_c"), (3, "gen_b")]
    talk.index.listed = list(talk.index.held)
    talk.steady[0].events = [
        event._replace(number=2) if event.turn == "gen_b" else event._replace(number=3) if event.turn == "gen_c"
        else event
        for event in talk.steady[0].events
    ]  # fmt: skip
    talk.c.asked = talk.c.post.sent = START + 1.2
    talk.killed(killed)
    found = talk.rules()
    assert found >= rules
    assert bool(found & {"order", "lost", "duplicated"}) == (killed > 20)


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_redis_forgot_with_its_node_is_not_missed(forgotten: bool) -> None:
    talk = Talk()
    the_index_has_it_not(talk)
    talk.turns.pop()
    talk.more.append(talk.c.post)
    if forgotten:
        talk.killed(20.2)
        talk.more.append(Fault(at=START + 20, until=START + 22, what="api_kill", target="a1"))
    assert (talk.rules() == set()) is forgotten
