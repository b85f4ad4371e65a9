"""Whether what somebody saw of a log is the log, or what a killed Redis forgot of it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.log.events import TERMINAL_TYPES, EventId
from tests.chaos.evidence import Evidence
from tests.chaos.history import Seen


def follows(previous: EventId, event_id: EventId) -> bool:
    """Ids are dense within an attempt, and each attempt begins at 0."""
    if event_id.token == previous.token:
        return event_id.seq == previous.seq + 1
    return event_id.token > previous.token and event_id.seq == 0


def ended(seen: Sequence[Seen]) -> bool:
    """Whether somebody who saw this has seen the end."""
    return bool(seen) and seen[-1].type in TERMINAL_TYPES


def is_of(seen: Sequence[Seen], log: Sequence[Seen]) -> bool:
    """Whether somebody who saw this saw the log: all of it after its end, else its beginning."""
    return [event[:3] for event in seen] == [event[:3] for event in (log if ended(seen) else log[: len(seen)])]


def forgotten(evidence: Evidence, generation_id: str, seen: Sequence[Seen], log: Sequence[Seen]) -> bool:
    """Whether somebody saw what a killed Redis has forgotten, and nobody could write again."""
    held = {event.id for event in log}
    lost = next((event for event in seen if event.id not in held), None)
    if lost is None:
        return False
    token, newest = (EventId.parse(event.id).token for event in (lost, seen[-1]))
    # A viewer may see an event when it is no more.
    write = generation_id, token, evidence.began(generation_id, token, lost.at), lost.at
    replaced = token < newest and evidence.superseded(*write) and _same(newest, seen, log)
    return replaced or evidence.not_healed(*write)


def _same(token: int, seen: Sequence[Seen], log: Sequence[Seen]) -> bool:
    """Whether somebody saw of this attempt, and of what came after it, what the log has."""
    had, holds = ([event[:3] for event in events if EventId.parse(event.id).token >= token] for events in (seen, log))
    return had == (holds if ended(seen) else holds[: len(had)])
