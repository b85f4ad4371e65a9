"""A history, sorted by what its lines speak of, and what may be excused in it."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.chaos.history import (
    AnyLine,
    Appended,
    Cancel,
    Claimed,
    ConversationView,
    Delete,
    DialectView,
    Died,
    Fault,
    Folded,
    Page,
    Post,
    Reported,
    Resources,
    Seen,
    Setup,
    Stored,
    Turns,
    View,
    Whole,
)

LOSSY = frozenset({"redis_kill", "redis_loading", "redis_outage", "queue_kill"})
"""Faults of which a Redis comes back without its last seconds. A fail-over is none: the replica has all."""
LOSS = 2.5
"""Seconds before a kill of Redis whose writes may be lost: the two of `everysec`, and what our clocks differ."""
NEAR = 1.0
"""Seconds by which a token may seem to be of another time than that in which the clock stood so."""
LATE = 10.0
"""Seconds by which a viewer may see an event later than it was written, or hear later that it is lost."""
HEAL = 6.0
"""Seconds for which a worker must be left alone to write again what a Redis that came back has forgotten."""


class Evidence:
    """A history's lines by what they speak of."""

    def __init__(self, lines: Iterable[AnyLine]) -> None:
        self.setup: Setup | None = None
        self.posts: list[Post] = []
        self.cancels: list[Cancel] = []
        self.deletes: dict[str, list[Delete]] = defaultdict(list)
        self.viewers: dict[str, list[View]] = defaultdict(list)
        self.dialect_viewers: dict[str, list[DialectView]] = defaultdict(list)
        self.conversation_viewers: dict[str, list[ConversationView]] = defaultdict(list)
        self.folded: list[Folded] = []
        self.pages: list[Page] = []
        self.turns: dict[str, Turns] = {}
        """By what a conversation is called."""
        self.wholes: dict[tuple[str, str], list[Whole]] = defaultdict(list)
        self.faults: list[Fault] = []
        self.died: list[Died] = []
        self.stored: dict[str, list[Stored]] = defaultdict(list)
        self.reported: list[Reported] = []
        self.claims: dict[str, list[Claimed]] = defaultdict(list)
        self.appends: list[Appended] = []
        self.resources: list[Resources] = []
        self._appends_of: dict[str, list[Appended]] | None = None
        self._first_seen: dict[tuple[str, str], float] | None = None
        for line in lines:
            self._sort(line)
        for views in self.viewers.values():
            views.sort(key=lambda view: view.connection)
        for told in self.dialect_viewers.values():
            told.sort(key=lambda view: view.connection)
        for followed in self.conversation_viewers.values():
            followed.sort(key=lambda view: view.connection)
        for generation_id, post in self.accepted.items():
            if post.conversation in self.deletes:  # with all its turns
                self.deletes[generation_id] += self.deletes[post.conversation]
        for dumps in self.stored.values():
            dumps.sort(key=lambda dump: dump.at)
        for claims in self.claims.values():
            claims.sort(key=lambda claim: claim.token)
        self.kills = sorted(
            (f for f in self.faults if f.what in LOSSY and f.target == "redis"), key=lambda kill: kill.at
        )
        self.jumps = sorted(
            (f for f in self.faults if f.what == "redis_clock" and f.target == "redis"), key=lambda jump: jump.at
        )

    def _sort(self, line: AnyLine) -> None:
        match line:
            case Setup():
                self.setup = line
            case Post():
                self.posts.append(line)
            case Cancel():
                self.cancels.append(line)
            case Delete():
                self.deletes[line.id].append(line)
            case View():
                self.viewers[line.viewer].append(line)
            case ConversationView():
                self.conversation_viewers[line.viewer].append(line)
            case Folded():
                self.folded.append(line)
            case Page():
                self.pages.append(line)
            case Turns():
                self.turns[line.conversation] = line
            case DialectView():
                self.dialect_viewers[line.viewer].append(line)
            case Whole():
                self.wholes[line.id, line.dialect].append(line)
            case Fault():
                self.faults.append(line)
            case Died():
                self.died.append(line)
            case Stored():
                self.stored[line.id].append(line)
            case Reported():
                self.reported.append(line)
            case Claimed():
                self.claims[line.id].append(line)
            case Appended():
                self.appends.append(line)
            case Resources():
                self.resources.append(line)

    @functools.cached_property
    def accepted(self) -> dict[str, Post]:
        """Each generation with the first answer that named it: the 202, or the stream or the answer."""
        accepted: dict[str, Post] = {}
        for post in self.posts:
            if post.id is not None and (post.status in (200, 202) or post.dialect != "native"):
                accepted.setdefault(post.id, post)
        return accepted

    def held(self, conversation: str) -> list[tuple[int, str]]:
        """The turns of a conversation in the end, by number and id."""
        turns = self.turns.get(conversation)
        return turns.held if turns is not None else []

    def first_asked(self, post: Post) -> float:
        """When what this POST asks for was asked for first."""
        return self._first_sent[post.key]

    @functools.cached_property
    def _first_sent(self) -> dict[str, float]:
        first: dict[str, float] = {}
        for post in self.posts:
            first[post.key] = min(first.get(post.key, post.sent), post.sent)
        return first

    def moment(self, token: int, by: float) -> float:
        """When Redis gave a token, in our time; `by` then it was known.

        A token is Redis' time, which may be ahead of ours or behind. Where that clock was set back under a log, tokens
        are counted on from the last one and are no times: the answer may then be too early.
        """
        found = []
        changes = [(0.0, 0), *((jump.at, jump.offset or 0) for jump in self.jumps)]
        ends = [at for at, _ in changes[1:]] + [by]
        for (since, offset), until in zip(changes, ends, strict=True):
            at = token / 1000 - offset
            if since - NEAR <= at <= min(until, by) + NEAR:
                found.append(at)
        return max(found, default=by)

    def claimed(self, claim: Claimed) -> float:
        """When an attempt began, in our time. Its worker wrote that down soon after."""
        at = self.moment(claim.token, claim.at)
        return claim.at if self.jumps and at < claim.at - LATE else at

    def first_seen(self, generation_id: str, event_id: str, by: float) -> float:
        """When a viewer saw an event for the first time; `by` then one did."""
        key = generation_id, event_id
        if self._first_seen is None:
            self._first_seen = {}
            for view in (view for views in self.viewers.values() for view in views):
                for event in view.events:
                    at = self._first_seen.setdefault((view.id, event.id), event.at)
                    self._first_seen[view.id, event.id] = min(at, event.at)
            for generation_id, seen in self.seen_in_conversations():
                at = self._first_seen.setdefault((generation_id, seen.id), seen.at)
                self._first_seen[generation_id, seen.id] = min(at, seen.at)
        return min(by, self._first_seen.get(key, by))

    def seen_in_conversations(self) -> Iterator[tuple[str, Seen]]:
        """A generation's own events as its conversation's stream told them."""
        for views in self.conversation_viewers.values():
            for event in (event for view in views for event in view.events if event.id and not event.turn):
                tail, _, native = event.id.partition(".")
                yield f"gen_{tail}", Seen(native, event.type, event.hash, event.at)

    def began(self, generation_id: str, token: int, by: float) -> float:
        """When an attempt began, in our time; `by` then one of its events was seen."""
        known = (self.claimed(claim) for claim in self.claims.get(generation_id, ()) if claim.token == token)
        return min(known, default=self.moment(token, by))

    def killed(self, since: float, until: float) -> bool:
        """Whether Redis was killed in this time."""
        return any(since <= kill.at <= until for kill in self.kills)

    def away(self, since: float, until: float) -> bool:
        """Whether Redis was killed, or had not come back, in this time."""
        return any(kill.at <= until and (kill.until or kill.at) >= since for kill in self.kills)

    def forgotten(self, written: float, acknowledged: float) -> bool:
        """Whether a Redis that was killed may have lost what was written in this time."""
        return self.killed(written, acknowledged + LOSS)

    def struck(self, process: str, since: float, until: float, way: str = "redis") -> bool:
        """Whether in this time a process or its way to a Redis was broken, or it ended by itself."""
        return any(
            fault.target in (process, f"{process} {way}") and fault.at <= until and (fault.until or fault.at) >= since
            for fault in self.faults
        ) or any(died.process == process and since <= died.at <= until for died in self.died)

    def writers(self, generation_id: str, token: int) -> set[str]:
        """The workers that had this token: one, or none that lived to write it down."""
        return {claim.worker for claim in self.claims.get(generation_id, ()) if claim.token == token}

    def not_healed(self, generation_id: str, token: int, written: float, acknowledged: float) -> bool:
        """Whether a write may be lost for good: Redis forgot it, and its writer could not write it again."""
        writers = self.writers(generation_id, token)
        return any(
            not writers or any(self.struck(writer, written - 0.5, (kill.until or kill.at) + HEAL) for writer in writers)
            for kill in self.kills
            if written <= kill.at <= acknowledged + LOSS
        )

    def lost_with_its_node(self, generation_id: str, post: Post) -> bool:
        """Whether Redis forgot an acceptance, and all who remembered it were struck before they could say it again."""
        for kill in self.kills:
            if not post.sent <= kill.at <= post.at + LOSS:
                continue
            until = (kill.until or kill.at) + HEAL
            claims = self.claims.get(generation_id, ())
            if self.struck(post.api, post.sent, until) and all(
                self.struck(claim.worker, post.sent - 0.5, until) for claim in claims
            ):
                return True
        return False

    def superseded(self, generation_id: str, token: int, written: float, acknowledged: float) -> bool:
        """Whether Redis forgot a write of an attempt that another one has replaced, which says all of it anew."""
        later = any(claim.token > token for claim in self.claims.get(generation_id, ()))
        return later and self.forgotten(written, acknowledged)

    def differs(self, generation_id: str) -> bool:
        """Whether a killed Redis may have forgotten for good what somebody was told, so that numbers changed."""
        for claim in self.claims.get(generation_id, ()):
            times = [a.at for a in self.appends_of(generation_id) if a.token == claim.token]
            write = generation_id, claim.token, self.claimed(claim) - 0.1, max(times, default=claim.at)
            if self.not_healed(*write) or self.superseded(*write):
                return True
        return False

    def appends_of(self, generation_id: str) -> list[Appended]:
        """What workers wrote for a generation."""
        if self._appends_of is None:
            self._appends_of = defaultdict(list)
            for append in self.appends:
                self._appends_of[append.id].append(append)
        return self._appends_of.get(generation_id, [])

    def log(self, generation_id: str) -> list[Seen]:
        """The events that Redis held in the end, or when it was last looked at before they expired."""
        held = [dump for dump in self.stored.get(generation_id, ()) if dump.state is not None]
        return held[-1].events if held else []
