"""A history, sorted by what its lines speak of, and what may be excused in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tests.faults.history import (
    AnyLine,
    Appended,
    Cancel,
    Claimed,
    Delete,
    Died,
    Fault,
    Post,
    Reported,
    Resources,
    Seen,
    Setup,
    Stored,
    View,
)

LOSS = 2.5
"""Seconds before a kill of Redis whose writes may be lost: the two of `everysec`, and what our clocks differ."""
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
        self.faults: list[Fault] = []
        self.died: list[Died] = []
        self.stored: dict[str, list[Stored]] = defaultdict(list)
        self.reported: list[Reported] = []
        self.claims: dict[str, list[Claimed]] = defaultdict(list)
        self.appends: list[Appended] = []
        self.resources: list[Resources] = []
        for line in lines:
            self._sort(line)
        for views in self.viewers.values():
            views.sort(key=lambda view: view.connection)
        for dumps in self.stored.values():
            dumps.sort(key=lambda dump: dump.at)
        for claims in self.claims.values():
            claims.sort(key=lambda claim: claim.token)
        self.kills = sorted(fault.at for fault in self.faults if fault.what == "redis_kill")

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

    @property
    def accepted(self) -> dict[str, Post]:
        """Each generation with the first 202 that named it."""
        accepted: dict[str, Post] = {}
        for post in self.posts:
            if post.status == 202 and post.id is not None:
                accepted.setdefault(post.id, post)
        return accepted

    def killed(self, since: float, until: float) -> bool:
        """Whether Redis was killed in this time."""
        return any(since <= kill <= until for kill in self.kills)

    def forgotten(self, written: float, acknowledged: float) -> bool:
        """Whether a Redis that was killed may have lost what was written in this time."""
        return self.killed(written, acknowledged + LOSS)

    def struck(self, process: str, since: float, until: float) -> bool:
        """Whether in this time a process or its way to Redis was broken, or it ended by itself."""
        return any(
            fault.target in (process, f"{process} redis") and fault.at <= until and (fault.until or fault.at) >= since
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
            for kill in self.faults
            if kill.what == "redis_kill" and written <= kill.at <= acknowledged + LOSS
        )

    def superseded(self, generation_id: str, token: int, written: float, acknowledged: float) -> bool:
        """Whether Redis forgot a write of an attempt that another one has replaced, which says all of it anew."""
        later = any(claim.token > token for claim in self.claims.get(generation_id, ()))
        return later and self.forgotten(written, acknowledged)

    def log(self, generation_id: str) -> list[Seen]:
        """The events that Redis held in the end, or when it was last looked at before they expired."""
        held = [dump for dump in self.stored.get(generation_id, ()) if dump.state is not None]
        return held[-1].events if held else []
