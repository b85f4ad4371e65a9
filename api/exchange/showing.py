"""Shows a generation in a dialect: its events from any of them on, or its answer as it stands."""

from collections.abc import Mapping

import msgspec
from fastapi import Response
from redis.exceptions import RedisError

from api.dialects.api_dialect import Answerer, ApiDialect
from api.exchange.telling import found, told_of
from api.exchange.waiting import said_so_far
from api.problems.problem import FieldError, ProblemError, unavailable, unprocessable
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ApiServices
from api.viewing.dialect import Subject, Telling
from api.viewing.event_stream import EventStream
from api.viewing.projection import is_long
from api.viewing.resume import ResumePoint
from shared.log.events import Cancelled, Failed
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Record

GENERATION_HEADER = "Midstream-Generation"
"""The header that names the generation natively, in every dialect's answers."""


class FailedAnswerError(ProblemError):
    """The failure with which a generation ended, told as an answer."""


async def show(
    name: str,
    owner: str,
    use: ApiServices,
    dialect: ApiDialect,
    *,
    stream: bool = False,
    starting_after: int | None = None,
) -> Response:
    """Shows a generation in a dialect: its events after number `starting_after`, or the answer as it stands.

    Raises ProblemError 404, 410 or 422, and redis.exceptions.RedisError.
    """
    named = found(name, dialect)
    record = await use.record(named.id, owner)
    told = await told_of(use, record, dialect)
    headers = {GENERATION_HEADER: record.id, **NO_STORE_HEADERS}
    if not stream:
        answer = await shown(use, record.id, owner, dialect, told, headers, posted=False)
        return Response(answer, 200, headers, "application/json")
    del headers["Cache-Control"]
    start = await start_of(use, record, told, starting_after, named.epoch or 1)
    return EventStream(use.hub, record.id, owner, start, headers=headers, told=told)


async def start_of(
    use: ApiServices, record: Record, told: Telling, starting_after: int | None = None, epoch: int = 1
) -> ResumePoint:
    """Returns where a viewer begins. Raises ProblemError 410 where what it has seen is void."""
    if starting_after is not None and starting_after < 0:
        raise unprocessable([FieldError(pointer="starting_after", message="must be the number of an event, from 0")])
    events: int | None = None
    try:
        if starting_after is not None and record.seal is not None:
            stands, events = await use.hub.standing(told, record)
        else:
            stands = await use.hub.epoch(told, record)
    except TimeoutError:
        raise RedisError from None
    # One that has ended without that event: a Redis lost for good what was said of it.
    if starting_after is not None and (stands != epoch or (events is not None and starting_after >= events)):
        raise ProblemError(
            410,
            "superseded",
            "What was said has been superseded",
            "What you have of the answer is void, or was lost. Drop it, and stream without starting_after.",
        )
    number = 0 if starting_after is None else starting_after + 1
    unwatched_ms = record.unwatched_ms if record.seal is None else None
    return ResumePoint(number=number, epoch=stands, page=record.page, long=is_long(record), unwatched_ms=unwatched_ms)


async def shown(
    use: ApiServices,
    generation_id: str,
    owner: str,
    dialect: ApiDialect,
    told: Telling,
    headers: Mapping[str, str],
    *,
    posted: bool,
) -> bytes:
    """Returns the answer's object as JSON, as it stands; of one that was `posted` and waited for, once it has ended.

    Raises FailedAnswerError, ProblemError 404, 410 or 503, and redis.exceptions.RedisError.
    """
    record = await use.record(generation_id, owner)
    said, size = await said_so_far(use.log, generation_id)
    if posted and said.end is None:
        await use.record(generation_id, owner)  # where it has been deleted, that is the answer
        raise unavailable()  # a Redis that came back older: its worker writes the end again, and a retry has it
    if posted or not dialect.shows_failures:
        _raise_failure(said, dialect, headers)
    epoch = await use.hub.epoch(told, record)
    assert dialect.answer is not None
    return await aside(size, _written, dialect.answer, told.subject, said, epoch)


def _written(answer: Answerer, subject: Subject, said: Snapshot, epoch: int) -> bytes:
    return msgspec.json.encode(answer(subject, said, epoch=epoch))


def _raise_failure(said: Snapshot, dialect: ApiDialect, headers: Mapping[str, str]) -> None:
    """Raises ProblemError for an answer that failed or was cancelled; trying again would only pay again."""
    told = dict(headers) | {"x-should-retry": "false"}
    match said.end:
        case Failed() as failed:
            assert dialect.status_of is not None
            status = dialect.status_of(failed)
            raise FailedAnswerError(status, failed.code, "The generation failed", failed.message, headers=told)
        case Cancelled():
            raise FailedAnswerError(
                409, "cancelled", "It was cancelled", "Somebody cancelled this answer.", headers=told
            )
        case _:
            pass
