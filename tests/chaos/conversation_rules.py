"""What is promised to those who follow a conversation: each rule yields its name, an id, and what was seen of it.

All see the same turns, in the order of their numbers, each event once. What a killed Redis has forgotten is noted
again, perhaps with another number: as in `checker`, that is the only excuse, and only where the number did change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from shared.log.events import TERMINAL_TYPES, EventId
from tests.chaos.continuity import follows, forgotten, is_of
from tests.chaos.evidence import LATE, Evidence
from tests.chaos.followed import BEGINS, Turn, in_its_log, tail_of
from tests.chaos.history import ConversationView, Post, Told

Wrong = tuple[str, str, str]
"""A rule, the id of a generation or what a conversation is called, and what was seen."""


def told_wrongly(evidence: Evidence) -> Iterator[Wrong]:
    """All rules of this module."""
    for conversation in evidence.turns:
        yield from _index(evidence, conversation)
    yield from _one_content(evidence)
    for views in evidence.conversation_viewers.values():
        yield from Follower(evidence, views).judged()


def renumbered(evidence: Evidence, generation_id: str, number: int) -> bool:
    """Whether a turn that was told with this number has another one, as a killed Redis forgot that it was noted."""
    post = evidence.accepted.get(generation_id)
    return (
        post is not None
        and _noted_again(evidence, post)
        and (number, generation_id) not in evidence.held(post.conversation)
    )


def _index(evidence: Evidence, conversation: str) -> Iterator[Wrong]:
    """It has every turn that was accepted, in the order in which they were, and the API lists what it has."""
    turns, numbers = evidence.turns[conversation], {id: number for number, id in evidence.held(conversation)}
    accepted = evidence.accepted
    posts = [post for post in accepted.values() if post.conversation == conversation and post.id in numbers]
    for id, post in accepted.items():
        if post.conversation != conversation and id in numbers:
            yield "mixed", id, f"is a turn of {conversation}, and was asked for in {post.conversation or 'none'}"
        kept = post.conversation == conversation and not {id, conversation} & evidence.deletes.keys()
        if kept and id not in numbers and evidence.log(id):
            yield "lost", id, f"was accepted, and {conversation} does not have it"
    posts.sort(key=lambda post: post.at)
    for before, after in combinations(posts, 2):
        first, second = (numbers[str(post.id)] for post in (before, after))
        if first > second and before.at < evidence.first_asked(after) and not _noted_again(evidence, before):
            yield "order", str(after.id), f"is {second}, and {before.id}, which was there before, is {first}"
    there = [(number, id) for number, id in turns.held if evidence.log(id)]  # but for what Redis lost with its node
    nothing = not there and turns.status == 404
    if conversation not in evidence.deletes and turns.listed != there and not nothing:
        yield "listed", conversation, f"the API lists {turns.status} {turns.listed}, it has {turns.held}"


def _noted_again(evidence: Evidence, post: Post) -> bool:
    return evidence.forgotten(evidence.first_asked(post), post.at)


def _one_content(evidence: Evidence) -> Iterator[Wrong]:
    """What says that a turn begins is the same for all, and to each."""
    known: dict[str, Told] = {}
    for views in evidence.conversation_viewers.values():
        for event in (event for view in views for event in view.events if event.type in BEGINS):
            first = known.setdefault(event.turn, event)
            if first.hash != event.hash and not any(
                renumbered(evidence, told.turn, told.number) for told in (first, event)
            ):
                yield "content", event.turn, f"begins as two things: {first} and {event}"


class Follower:
    """Goes through the connections of one who follows a conversation, and keeps what they have seen as it stands."""

    def __init__(self, evidence: Evidence, views: list[ConversationView]) -> None:
        self.evidence, self.views = evidence, views
        self.name, self.conversation = views[0].viewer, views[0].conversation
        self.turns: list[Turn] = []
        self.since: float | None = None
        """When the first event came of what began at the start, on this connection; infinite before there is any."""

    def judged(self) -> Iterator[Wrong]:
        """All that is wrong."""
        for view in self.views:
            yield from self._status(view)
            if view.status == 200:
                yield from self._connection(view)
        yield from self._whole()

    def _status(self, view: ConversationView) -> Iterator[Wrong]:
        deleted = any(delete.sent <= view.at for delete in self.evidence.deletes.get(self.conversation, ()))
        due = not deleted and self._known(view.sent) and not self.evidence.away(view.at - LATE, view.at)
        if view.status == 404 and due:
            yield "status", self.conversation, f"{self.name} was told 404 of a conversation that is there"
        elif (view.status == 410 and not deleted) or view.status not in (200, 404, 410, None):
            yield "status", self.conversation, f"{self.name} was told {view.status}"
        # What is not there ends a stream that began while that could not be said; a node that goes away ends all.
        drained = bool(view.events) and view.events[-1].type == "drain"
        drained = drained or self.evidence.struck(view.api, view.sent, view.at)
        if view.how == "end" and view.status == 200 and not drained and (due or (view.events and not deleted)):
            yield "unfinished", self.conversation, f"{self.name} had a clean end after {view.events[-1:]}"

    def _known(self, at: float) -> bool:
        """Whether a turn had been accepted by then, and Redis did not forget it."""
        posts = [post for post in self.evidence.accepted.values() if post.conversation == self.conversation]
        return any(post.at <= at and not _noted_again(self.evidence, post) for post in posts)

    def _connection(self, view: ConversationView) -> Iterator[Wrong]:
        anew = view.invented or not view.cursor
        self.turns = [] if anew else in_its_log(self.turns, view.cursor)
        self.since = math.inf if anew else None
        told = next((event for event in view.events if event.type not in ("begun", "drain", "queued")), None)
        if view.invented and told is not None and told.type != "reset":
            yield "reset", self.conversation, f"{self.name} was not reset at {view.cursor}, which there never was"
        for event in view.events:
            if event.type == "reset":
                yield from self._reset(view, event)
                self.turns, self.since = [], math.inf
            elif event.type == "begun":
                yield from self._begun(event, may_be_early=view.invented)
            elif event.type == "gone":
                yield from self._gone(event)
            elif event.type == "generation":
                yield from self._generation(event)
            elif event.id:
                yield from self._event(event)

    def _reset(self, view: ConversationView, reset: Told) -> Iterator[Wrong]:
        if not self.turns and view.invented:
            return
        newest = self.turns[-1] if self.turns else None
        if newest is not None and newest.id in self.evidence.deletes:
            return
        since = newest.at(self.evidence) if newest is not None else view.sent
        if not self.evidence.killed(since - LATE, reset.at):
            yield "reset", self.conversation, f"{self.name} was reset after {newest.id if newest else view.cursor!r}"

    def _begun(self, event: Told, *, may_be_early: bool) -> Iterator[Wrong]:
        """Before a `reset` it is beside what the server took the cursor for."""
        beside = self.turns[-1].number if self.turns else 0 if may_be_early else None
        if beside is None or event.number <= beside:
            yield "begun", event.turn, f"{self.name} was told of {event.number} beside {beside}"

    def _gone(self, event: Told) -> Iterator[Wrong]:
        for turn in self.turns:
            turn.gone = turn.gone or turn.id == event.turn
        asked = any(delete.sent <= event.at for delete in self.evidence.deletes.get(event.turn, ()))
        if not asked and not self.evidence.away(event.at - LATE, event.at):
            yield "gone", event.turn, f"{self.name} was told that it is gone, and nobody deleted it"

    def _generation(self, event: Told) -> Iterator[Wrong]:
        last = self.turns[-1] if self.turns else None
        if last is not None:
            if event.turn in {turn.id for turn in self.turns}:
                yield "duplicated", event.turn, f"{self.name} saw it begin twice"
            elif event.number <= last.number and not self._moved():
                yield "reordered", event.turn, f"{self.name} saw {event.number} after {last.number}"
            if not last.ended and not last.gone and last.id not in self.evidence.deletes:
                yield "mixed", event.turn, f"{self.name} saw it begin after {last.events[-1:]} of {last.id}"
        if event.id != f"{tail_of(event.turn)}.0-0":
            yield "content", event.turn, f"begins with {event.id}"
        # A stream may begin long after it was asked for; but who has been told something hears all that begins then.
        self.since = None if self.since is None else min(self.since, event.at)
        self.turns.append(Turn(event.turn, event.number, fresh=self.since))

    def _event(self, event: Told) -> Iterator[Wrong]:
        tail, _, native = event.id.partition(".")
        if not self.turns or tail_of(self.turns[-1].id) != tail:
            yield "mixed", tail, f"{self.name} saw {native} of it after {self._newest()}"
            return
        turn, following = self.turns[-1], EventId.parse(native)
        previous = EventId.parse(turn.events[-1].id) if turn.events else EventId(0, -1)
        if turn.ended:
            yield "terminal", turn.id, f"{self.name} saw {native} after its end"
        short = not turn.events and turn.fresh is not None and event.type in TERMINAL_TYPES
        if not short and not follows(previous, following):
            known = native in {seen.id for seen in turn.events}
            kind = "duplicated" if known else "reordered" if following < previous else "lost"
            yield kind, turn.id, f"{self.name} saw {native} after {previous}"
        turn.add(native, event)

    def _whole(self) -> Iterator[Wrong]:
        last = self.views[-1]
        if last.how == "hung":
            yield "hung", self.conversation, f"{self.name} heard nothing more after {self._newest()}"
        if self.conversation in self.evidence.deletes:
            return
        for turn in self.turns:
            yield from self._turn(turn)
        told = {turn.id for turn in self.turns}
        missed = [
            id
            for number, id in self.evidence.held(self.conversation)
            if id not in told and id not in self.evidence.deletes and self.evidence.log(id)
        ]
        if missed and last.how != "hung" and not self._moved():
            yield "lost", self.conversation, f"{self.name} saw {len(told)} turns, and not {missed}"

    def _turn(self, turn: Turn) -> Iterator[Wrong]:
        """It has the number that the index has, and is the log, or its end for one that had ended before."""
        if turn.id in self.evidence.deletes:
            return
        log = self.evidence.log(turn.id)
        held = dict(self.evidence.held(self.conversation)).get(turn.number)
        if held != turn.id and not renumbered(self.evidence, turn.id, turn.number):
            yield "number", turn.id, f"{self.name} was told that it is {turn.number}, which is {held}"
        if is_of(turn.events, log) or forgotten(self.evidence, turn.id, turn.events, log):
            return
        if turn.fresh is None or [seen[:3] for seen in turn.events] != [seen[:3] for seen in log[-1:]]:
            yield "complete", turn.id, f"{self.name} had {len(turn.events)} events of it, its log has {len(log)}"
        elif self.evidence.first_asked(self.evidence.accepted[turn.id]) > turn.fresh:
            yield "short", turn.id, f"{self.name} was told only its end, and had watched before it began"

    def _newest(self) -> str:
        """Where it has come to, in words."""
        return f"{self.turns[-1].id} {self.turns[-1].events[-1:]}" if self.turns else "nothing"

    def _moved(self) -> bool:
        """Whether a turn that it saw has another number now."""
        return any(renumbered(self.evidence, turn.id, turn.number) for turn in self.turns)
