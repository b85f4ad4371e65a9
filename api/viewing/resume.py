"""The decision where a viewer begins or why it gets nothing, made before a byte is sent."""

from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import Request

from api.viewing.dialect import ResetReason
from api.viewing.looks import Looks
from shared.generations.generations import Existence, Found
from shared.generations.watchable import Watchable
from shared.log.events import ORIGIN, EventId
from shared.log.guarded_log import LOG_PAGE, Log

Refusal = Literal["not_found", "gone", "unreadable", "over"]


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a viewer begins: after `cursor`; where it starts over, `reset` is the reason, which it is sent first.

    In a dialect without the log's ids it begins after `number` events of it, counted in `epoch` (`dialect.Framer`).
    `sealed` is whether the log had its end already when this was decided; `page` how many of its events are then read
    at a time; `long` whether it is better not held in memory whole. `unwatched_ms` is after how long without a viewer
    it is cancelled.
    """

    cursor: EventId = ORIGIN
    reset: ResetReason | None = None
    sealed: bool = False
    page: int = LOG_PAGE
    number: int | None = None
    epoch: int = 1
    long: bool = False
    unwatched_ms: int | None = None

    @property
    def resumed(self) -> bool:
        """Says whether the viewer named the last event that it had, rightly or not."""
        return self.cursor != ORIGIN or bool(self.number) or self.reset in ("malformed_cursor", "unknown_cursor")


def asked_cursor(request: Request) -> str:
    """Returns the `Last-Event-ID` of a request: the header's, else the query's, where clients without headers send it.

    Its name there is `last_event_id`, or what packages for browsers make of it: `lastEventId`, `Last-Event-ID`.
    """
    if header := request.headers.get("last-event-id"):
        return header
    named = ((name.replace("_", "").replace("-", "").lower(), value) for name, value in request.query_params.items())
    return next((value for name, value in named if name == "lasteventid" and value), "")


def read_cursor(text: str) -> ResumePoint:
    """Returns the start that a `Last-Event-ID` asks for; an empty one, as browsers send it, is none."""
    if not text:
        return ResumePoint()
    try:
        return ResumePoint(EventId.parse(text))
    except ValueError:
        return ResumePoint(reset="malformed_cursor")


def refusal(found: Found | Watchable, owner: str) -> Refusal | None:
    """Returns why this owner cannot have what was found, without saying whose it is."""
    if found.existence is Existence.NOTHING or found.owner != owner:
        return "not_found"
    if found.existence is Existence.UNREADABLE:
        return "unreadable"
    return "gone" if found.existence is Existence.TOMBSTONE else None


async def admit(log: Log, looks: Looks, generation_id: str, owner: str, start: ResumePoint) -> ResumePoint | Refusal:
    """Returns where the viewer begins, or why there is nothing to send. Raises redis.exceptions.RedisError.

    A cursor that a growing log does not have is left to the tail, which may be about to have it.
    """
    found = await looks.look(generation_id)
    if (why := refusal(found, owner)) is not None:
        return why
    if found.seal is None:
        return start if found.unwatched_ms is None else replace(start, unwatched_ms=found.unwatched_ms)
    if start.cursor == found.seal:
        return "over"
    if start.cursor != ORIGIN and not await log.holds(generation_id, start.cursor):
        return ResumePoint(reset="unknown_cursor", sealed=True, page=found.page)
    return ResumePoint(start.cursor, start.reset, sealed=True, page=found.page)
