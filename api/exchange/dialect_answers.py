"""Asks in a dialect, and shows a generation in it: streamed, waited for, or as it stands."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request, Response
from redis.exceptions import RedisError

from api.dialects.api_dialect import ApiDialect
from api.dialects.names import name_of, read_name
from api.exchange.acceptance import accept, check_key
from api.exchange.dialect_body import read_dialect
from api.intake import request_body
from api.problems.problem import FieldError, ProblemError, draining, gone, not_found, unprocessable
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ApiServices
from api.viewing.dialect import Subject, Telling
from api.viewing.event_stream import EventStream
from api.viewing.projection import is_long
from api.viewing.resume import ResumePoint
from shared.log.entry import Entry
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
    accepted = await accept(use, owner, read.taken, key)
    headers = {GENERATION_HEADER: accepted.id, **NO_STORE_HEADERS}
    if read.request.ignored:
        headers[IGNORED_HEADER] = ", ".join(read.request.ignored)
    told = Telling(dialect.wire, _subject(accepted.id, accepted.created_ms, read.asked, dialect))
    if read.request.stream:
        del headers["Cache-Control"]
        if accepted.created:
            return EventStream(use.hub, accepted.id, owner, ResumePoint(number=0), headers=headers, told=told)
        start = await _start(use, await use.record(accepted.id, owner), told)
        return EventStream(use.hub, accepted.id, owner, start, headers=headers, told=told)
    if not read.request.background:
        await _until_ended(request, use, accepted.id)
    return await _shown(use, accepted.id, owner, dialect, told, headers, posted=not read.request.background)


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
    named = read_name(name)
    if named is None or not name.startswith(dialect.prefix):
        raise not_found()
    record = await use.record(named.id, owner)
    asked = await use.generations.asked(record.id)
    told = Telling(dialect.wire, _subject(record.id, record.created_ms, asked, dialect, record))
    headers = {GENERATION_HEADER: record.id, **NO_STORE_HEADERS}
    if not stream:
        return await _shown(use, record.id, owner, dialect, told, headers, posted=False)
    del headers["Cache-Control"]
    start = await _start(use, record, told, starting_after, named.epoch or 1)
    return EventStream(use.hub, record.id, owner, start, headers=headers, told=told)


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


async def _until_ended(request: Request, use: ApiServices, generation_id: str) -> None:
    """Waits for the end. Raises ProblemError 503 where this node goes away, 400 where the client has left."""
    ended = asyncio.ensure_future(use.hub.ended(generation_id))
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((ended, left), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            raise ProblemError(400, "client_left", "The client has left", "Ask for the generation by its name.")
        if not ended.result():
            raise draining()
    finally:
        for task in (ended, left):
            task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _shown(
    use: ApiServices,
    generation_id: str,
    owner: str,
    dialect: ApiDialect,
    told: Telling,
    headers: Mapping[str, str],
    *,
    posted: bool,
) -> Response:
    record = await use.record(generation_id, owner)
    said, size = Snapshot(), 0
    async for page in use.log.pages(generation_id):
        size += sum(256 + len(entry.data) for entry in page)
        await aside(size, _apply, said, page)
    if posted and said.end is None:
        raise gone()
    if posted or not dialect.shows_failures:
        _raise_failure(said, dialect, headers)
    epoch = await use.hub.epoch(told, record)
    answer = await aside(size, _written, dialect, told.subject, said, epoch)
    return Response(answer, 200, dict(headers), "application/json")


def _apply(said: Snapshot, page: list[Entry]) -> None:
    for entry in page:
        said.apply(*entry)


def _written(dialect: ApiDialect, subject: Subject, said: Snapshot, epoch: int) -> bytes:
    return msgspec.json.encode(dialect.answer(subject, said, epoch=epoch))


def _raise_failure(said: Snapshot, dialect: ApiDialect, headers: Mapping[str, str]) -> None:
    """Raises ProblemError for an answer that failed or was cancelled; trying again would only pay again."""
    told = dict(headers) | {"x-should-retry": "false"}
    match said.end:
        case Failed() as failed:
            status = dialect.status_of(failed)
            title = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Overloaded"
            raise ProblemError(status, failed.code, title, failed.message, headers=told)
        case Cancelled():
            raise ProblemError(409, "cancelled", "It was cancelled", "Somebody cancelled this answer.", headers=told)
        case _:
            pass


def location(dialect: ApiDialect, generation_id: str, epoch: int = 1) -> str:
    """Returns the address of a generation in a dialect."""
    return f"{dialect.path}/{name_of(dialect.prefix, generation_id, epoch)}"


def wants(value: Any) -> bool:
    """Says whether a flag of a query is set."""
    return str(value).lower() in ("true", "1")
