"""What is promised to clients of the dialects: each rule yields its name, an id, and what was seen of it.

A number means the same bytes for ever within an epoch, which is the name that an answer calls itself by. What a killed
Redis has forgotten for good changes the numbers after it: as in `checker`, that is the only excuse.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import LATE, Evidence
from tests.chaos.history import DialectView, Framed, Post, Whole
from tests.chaos.spoken import SPOKEN

Wrong = tuple[str, str, str]
"""A rule, the id of a generation, and what was seen."""


def told_wrongly(evidence: Evidence) -> Iterator[Wrong]:
    """All rules of this module."""
    yield from _one_content(evidence)
    for views in evidence.dialect_viewers.values():
        for view in views:
            yield from _status(evidence, view)
            yield from _connection(view)
            yield from _void(evidence, view)
        yield from _joined(evidence, views)
    for wholes in evidence.wholes.values():
        yield from _wholes(evidence, wholes)
    for post in evidence.posts:
        if post.waits:
            yield from _answer(evidence, post)


def name_in(view: DialectView) -> str:
    """What the events of a connection belong to: the name that they say, else the one that was asked for."""
    return next((event.name for event in view.events if event.name), view.name)


def _one_content(evidence: Evidence) -> Iterator[Wrong]:
    """A number means the same bytes for ever, whoever saw it, live or long after the end."""
    known: dict[tuple[str, str, int], str] = {}
    for views in evidence.dialect_viewers.values():
        for view in views:
            yield from _same(evidence, known, view.id, name_in(view), _first(view), view.events)
    for wholes in evidence.wholes.values():
        for whole in wholes:
            yield from _same(evidence, known, whole.id, whole.name, 0, whole.events)


def _same(
    evidence: Evidence,
    known: dict[tuple[str, str, int], str],
    generation_id: str,
    name: str,
    first: int,
    events: list[Framed],
) -> Iterator[Wrong]:
    for number, event in enumerate(events, first):
        if known.setdefault((generation_id, name, number), event.hash) != event.hash:
            if not evidence.differs(generation_id):
                yield "content", generation_id, f"event {number} of {name} is two things"
            return


def _first(view: DialectView) -> int:
    return 0 if view.after is None else view.after + 1


def _status(evidence: Evidence, view: DialectView) -> Iterator[Wrong]:
    """A cursor of an epoch that stands is taken; whatever else is said has a reason."""
    if view.status in (200, 503, None):
        return
    asked = [delete.sent for delete in evidence.deletes.get(view.id, ())]
    if view.status == 410 and view.code == "superseded":
        stands = {whole.name for whole in evidence.wholes.get((view.id, view.dialect), ()) if whole.name}
        if view.after is None or (view.name in stands and not evidence.differs(view.id)):
            yield "superseded", view.id, f"{view.viewer} was refused {view.name} after {view.after}, which stands"
    elif view.status in (404, 410) and view.id:
        post = evidence.accepted.get(view.id)
        lost = post is not None and not evidence.log(view.id) and evidence.lost_with_its_node(view.id, post)
        killed = evidence.away(view.at - LATE, view.at)
        if not lost and not killed and not any(sent <= view.at for sent in asked):
            yield "status", view.id, f"{view.viewer} was told {view.status} of a generation that is there"
    else:
        yield "status", view.id, f"{view.viewer} was told {view.status}"


def _connection(view: DialectView) -> Iterator[Wrong]:
    """Numbers are dense, nothing follows the end, nothing but the end looks like it, and one epoch is in a stream."""
    for number, event in enumerate(view.events, _first(view)):
        if event.number not in (-1, number):
            yield "dense", view.id, f"{view.viewer} saw {event.number} where {number} was due"
            break
    if view.marks > 1 or view.beyond:
        yield "terminal", view.id, f"{view.viewer} saw {view.marks} ends, and {view.beyond} events after one"
    if view.how == "end" and not view.marks:
        yield "unfinished", view.id, f"{view.viewer} had a clean end after {len(view.events)} events, without the mark"
    if view.early:
        yield "early", view.id, f"{view.viewer} had {view.early} pings before the first event"
    names = [event.name for event in view.events if event.name]
    if len(set(names)) > 1 or (view.after is not None and any(name != view.name for name in names)):
        yield "mixed", view.id, f"{view.viewer} asked for {view.name} after {view.after}, and saw {set(names)}"
    if view.dialect == "anthropic" and len(names) > (view.after is None):
        yield "mixed", view.id, f"{view.viewer} saw {len(names)} messages begin after {view.after}"


def _void(evidence: Evidence, view: DialectView) -> Iterator[Wrong]:
    """Once a later epoch was seen, what is void is not gone on with."""
    if view.status != 200 or view.after is None or not view.events:
        return
    later = [
        other
        for others in evidence.dialect_viewers.values()
        for other in others
        if other.id == view.id and other.dialect == view.dialect  # Responses goes on where others begin anew
        and other.events and other.at + LATE < view.sent and _epoch(name_in(other)) > _epoch(view.name)
    ]  # fmt: skip
    # A node that cannot hear Redis goes on with what it has.
    deaf = later and evidence.struck(view.api, min(other.sent for other in later) - LATE, view.sent)
    if later and not deaf and not evidence.differs(view.id):
        yield "superseded", view.id, f"{view.viewer} went on with {view.name}, long after {name_in(later[0])} was seen"


def _epoch(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdigit() and name.count("-") > name.startswith("chatcmpl-") else 1


def _joined(evidence: Evidence, views: list[DialectView]) -> Iterator[Wrong]:
    """What a client has put together is the uncut stream of the epoch that stands."""
    seen: list[Framed] = []
    name = ""
    for view in views:
        if view.status != 200:
            continue
        first = _first(view)
        assert first <= len(seen), f"{view.viewer} resumed after an event that it had not seen"
        seen = seen[:first] + view.events
        name = name_in(view) if view.events or not name else name
    last = views[-1]
    if last.how == "hung":
        yield "hung", last.id, f"{last.viewer} heard nothing more after event {len(seen) - 1}"
    wholes = evidence.wholes.get((last.id, last.dialect), [])
    whole = next((found for found in reversed(wholes) if found.events), None)
    finished = last.marks > 0
    if whole is None or last.id in evidence.deletes:
        return
    if finished and name == whole.name and _first(last) > len(whole.events):
        # Whatever Redis forgot: that there is not so much of it is known.
        yield "unfinished", last.id, f"{last.viewer} was told after event {last.after} that {name} is whole"
    if evidence.differs(last.id):
        return
    if finished and name != whole.name:
        yield "superseded", last.id, f"{last.viewer} was told that {name} is whole, and {whole.name} stands"
    elif name == whole.name and _bytes(seen) != _bytes(whole.events if finished else whole.events[: len(seen)]):
        yield (
            "complete",
            last.id,
            f"{last.viewer} has {len(seen)} events of {name}, which are not its {len(whole.events)}",
        )


def _bytes(events: list[Framed]) -> list[str]:
    return [event.hash for event in events]


def _wholes(evidence: Evidence, wholes: list[Whole]) -> Iterator[Wrong]:
    """A stream that is read after the end is whole, the same each time, and says what the log says."""
    whole = wholes[-1]
    if whole.id in evidence.deletes:
        return
    log = evidence.log(whole.id)
    stored = [dump for dump in evidence.stored.get(whole.id, ()) if dump.state is not None]
    if whole.status != 200:
        expired = whole.status in (404, 410) and evidence.stored[whole.id][-1].state is None
        if not expired and not evidence.away(whole.at - LATE, whole.at) and log:
            yield "status", whole.id, f"after its end {whole.dialect} is told {whole.status}"
        return
    if whole.marks != 1:
        yield "terminal", whole.id, f"its stream of {whole.dialect} has {whole.marks} ends"
    if any(event.number not in (-1, number) for number, event in enumerate(whole.events)):
        yield "dense", whole.id, f"its stream of {whole.dialect} has other numbers"
    if stored and log and log[-1].type == "completed" and whole.text != stored[-1].text:
        yield "text", whole.id, f"{whole.dialect} says something else than the log"


def _answer(evidence: Evidence, post: Post) -> Iterator[Wrong]:
    """An answer that was waited for is that of the log, or says how the log ended."""
    if post.status == -1:
        yield "hung", post.key, f"a POST of {post.dialect} had no answer in all its tries"
    if post.id is None or not (log := evidence.log(post.id)):
        return
    ended = log[-1].type
    if post.status == 200:
        stored = [dump for dump in evidence.stored[post.id] if dump.state is not None][-1]
        stands = {whole.name for whole in evidence.wholes.get((post.id, post.dialect), ()) if whole.name}
        if ended not in ("completed", "failed", "cancelled"):
            yield "answer", post.id, f"was answered, and its log ends with {ended}"
        elif ended == "completed" and post.said != stored.text and not evidence.differs(post.id):
            yield "answer", post.id, f"the answer in {post.dialect} says something else than the log"
        elif stands and post.name not in stands and not evidence.differs(post.id):
            yield "answer", post.id, f"the answer is {post.name}, and {stands} stands"
    elif ended == "completed" and not evidence.differs(post.id):
        yield "answer", post.id, f"was answered {post.status}, and is completed"


def tries_paid(evidence: Evidence) -> tuple[int, int]:
    """How many questions were asked in a dialect, and how many more generations answered them."""
    ids: dict[str, set[str]] = {}
    for post in evidence.posts:
        if post.dialect in SPOKEN and post.id is not None:
            ids.setdefault(post.key, set()).add(post.id)
    return len(ids), sum(len(found) - 1 for found in ids.values())
