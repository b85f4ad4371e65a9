"""Asks in a dialect, and shows a generation in it: streamed, waited for, or as it stands."""

import asyncio
import functools
from collections.abc import Mapping

import msgspec
from fastapi import Request, Response
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from api.dialects.api_dialect import ApiDialect
from api.dialects.names import Named, read_name
from api.exchange.acceptance import accept, check_key
from api.exchange.dialect_body import ReadBody, read_dialect
from api.exchange.waiting import said_so_far, until_ended
from api.intake import request_body
from api.intake.retries import Asker
from api.problems.problem import FieldError, ProblemError, not_found, unavailable, unprocessable
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ApiServices
from api.viewing.connection import TRANSPORT_EXTENSION
from api.viewing.dialect import Subject, Telling
from api.viewing.event_stream import EventStream
from api.viewing.projection import is_long
from api.viewing.resume import ResumePoint
from shared.generations.generations import Accepted
from shared.log.events import Cancelled, Failed
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Asked, Record

GENERATION_HEADER = "Midstream-Generation"
"""The header that names the generation natively, in every dialect's answers."""
IGNORED_HEADER = "Midstream-Ignored"
"""The header that names the fields which were accepted and change nothing."""


async def ask(request: Request, owner: str, use: ApiServices, dialect: ApiDialect) -> Response:
    """Accepts a request in a dialect, and answers as it wants: the stream, or the answer once it has ended."""
    check_key(key := request.headers.get("idempotency-key"))
    body = await request_body.read_body(request, use.settings.max_body)
    read = await aside(len(body), read_dialect, body, dialect, use.served, use.settings.max_values)
    asker = await _asker(request, owner, use, dialect, body) if key is None else None
    try:
        return await _answer(request, owner, use, dialect, read, asker, key)
    except BaseException as error:
        # A failure that the generation ended with is its answer; after any other error a retry is to join.
        if asker is not None:
            (asker.answered if isinstance(error, FailedAnswer) else asker.broke)()
        raise


async def _asker(request: Request, owner: str, use: ApiServices, dialect: ApiDialect, body: bytes) -> Asker:
    agent, count = (request.headers.get(name, "") for name in ("user-agent", "x-stainless-retry-count"))
    return await use.askers.begin(owner, dialect.wire.name, body, agent, count)


async def _answer(
    request: Request,
    owner: str,
    use: ApiServices,
    dialect: ApiDialect,
    read: ReadBody,
    asker: Asker | None,
    key: str | None,
) -> Response:
    fresh, generation_id = True, None if asker is None else asker.joined
    if generation_id is None:
        accepted = await _accepted(use, owner, read, asker, key)
        generation_id, created_ms, fresh = accepted.id, accepted.created_ms, accepted.created
    if not fresh or (asker is not None and asker.joined is not None):
        fresh, created_ms = False, (await use.record(generation_id, owner)).created_ms
    headers = {GENERATION_HEADER: generation_id, **NO_STORE_HEADERS}
    if read.request.ignored:
        headers[IGNORED_HEADER] = ", ".join(read.request.ignored)
    told = Telling(dialect.wire, _subject(generation_id, created_ms, read.asked, dialect))
    if read.request.stream:
        del headers["Cache-Control"]
        start = ResumePoint(number=0) if fresh else await _start(use, await use.record(generation_id, owner), told)
        closed = None if asker is None else functools.partial(_close, asker)
        return EventStream(use.hub, generation_id, owner, start, headers=headers, told=told, closed=closed)
    if not read.request.background:
        await until_ended(request, use, generation_id)
    shown = await _shown(use, generation_id, owner, dialect, told, headers, posted=not read.request.background)
    return AnswerResponse(shown, 200, headers, asker)


async def _accepted(use: ApiServices, owner: str, read: ReadBody, asker: Asker | None, key: str | None) -> Accepted:
    if asker is None:
        return await accept(use, owner, read.taken, key)
    new_id = await use.generations.new_id(owner, None)
    noted = asyncio.ensure_future(asker.accepted(new_id))  # beside it, as it costs a round trip
    try:
        return await accept(use, owner, read.taken, None, new_id)
    finally:
        await noted


def _close(asker: Asker, whole: bool) -> None:
    (asker.answered if whole else asker.broke)()


class AnswerResponse(Response):
    """A whole answer; says of its asker whether it had it."""

    media_type = "application/json"

    def __init__(self, content: bytes, status: int, headers: Mapping[str, str], asker: Asker | None) -> None:
        super().__init__(content, status, dict(headers))
        self._asker = asker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
        whole = False
        try:
            await super().__call__(scope, receive, send)
            whole = transport is None or not transport.is_closing()
        finally:
            if self._asker is not None:
                _close(self._asker, whole)


class FailedAnswer(ProblemError):
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
        return AnswerResponse(
            await _shown(use, record.id, owner, dialect, told, headers, posted=False), 200, headers, None
        )
    del headers["Cache-Control"]
    start = await _start(use, record, told, starting_after, named.epoch or 1)
    return EventStream(use.hub, record.id, owner, start, headers=headers, told=told)


def found(name: str, dialect: ApiDialect) -> Named:
    """Returns what a name in this dialect says. Raises ProblemError 404 where it is none."""
    named = read_name(name)
    if named is None or not name.startswith(dialect.prefix):
        raise not_found()
    return named


async def told_of(use: ApiServices, record: Record, dialect: ApiDialect) -> Telling:
    """Returns how a generation is told in a dialect. Raises redis.exceptions.RedisError."""
    asked = await use.generations.asked(record.id)
    return Telling(dialect.wire, _subject(record.id, record.created_ms, asked, dialect, record))


def _subject(
    generation_id: str, created_ms: int, asked: Asked, dialect: ApiDialect, record: Record | None = None
) -> Subject:
    model = asked.model or (record.model if record is not None else "")
    return Subject(
        generation_id, created_ms, model, asked.dialect, asked.echo if asked.dialect == dialect.wire.name else {}
    )


async def _start(
    use: ApiServices, record: Record, told: Telling, starting_after: int | None = None, epoch: int = 1
) -> ResumePoint:
    """Returns where a viewer begins. Raises ProblemError 410 where what it has seen is void."""
    if starting_after is not None and starting_after < 0:
        raise unprocessable([FieldError(pointer="starting_after", message="must be the number of an event, from 0")])
    try:
        stands = await use.hub.epoch(told, record)
    except TimeoutError:
        raise RedisError from None
    if starting_after is not None and stands != epoch:
        raise ProblemError(
            410,
            "superseded",
            "What was said has been superseded",
            "The answer started over, and what came before is void. Drop it, and stream without starting_after.",
        )
    number = 0 if starting_after is None else starting_after + 1
    return ResumePoint(number=number, epoch=stands, page=record.page, long=is_long(record))


async def _shown(
    use: ApiServices,
    generation_id: str,
    owner: str,
    dialect: ApiDialect,
    told: Telling,
    headers: Mapping[str, str],
    *,
    posted: bool,
) -> bytes:
    record = await use.record(generation_id, owner)
    said, size = await said_so_far(use.log, generation_id)
    if posted and said.end is None:
        await use.record(generation_id, owner)  # where it has been deleted, that is the answer
        raise unavailable()  # a Redis that came back older: its worker writes the end again, and a retry has it
    if posted or not dialect.shows_failures:
        _raise_failure(said, dialect, headers)
    epoch = await use.hub.epoch(told, record)
    return await aside(size, _written, dialect, told.subject, said, epoch)


def _written(dialect: ApiDialect, subject: Subject, said: Snapshot, epoch: int) -> bytes:
    return msgspec.json.encode(dialect.answer(subject, said, epoch=epoch))


def _raise_failure(said: Snapshot, dialect: ApiDialect, headers: Mapping[str, str]) -> None:
    """Raises ProblemError for an answer that failed or was cancelled; trying again would only pay again."""
    told = dict(headers) | {"x-should-retry": "false"}
    match said.end:
        case Failed() as failed:
            status = dialect.status_of(failed)
            raise FailedAnswer(status, failed.code, "The generation failed", failed.message, headers=told)
        case Cancelled():
            raise FailedAnswer(409, "cancelled", "It was cancelled", "Somebody cancelled this answer.", headers=told)
        case _:
            pass
