"""Asks in a dialect: the answer is a stream, or one object that is waited for."""

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import replace

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from api.counting.seats import Seat
from api.dialects.api_dialect import ApiDialect
from api.exchange.acceptance import accept, check_key
from api.exchange.dialect_body import ReadBody, parsed, read_dialect
from api.exchange.newest_answer import newest_answer
from api.exchange.references import with_items
from api.exchange.showing import GENERATION_HEADER, FailedAnswerError, shown, start_of
from api.exchange.telling import subject_of
from api.exchange.waiting import until_ended
from api.intake import request_body
from api.intake.retries import Asker
from api.problems.limits import rate_limit_headers
from api.problems.problem import ProblemError
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ApiServices
from api.viewing.connection import TRANSPORT_EXTENSION
from api.viewing.dialect import Telling
from api.viewing.event_stream import EventStream
from api.viewing.resume import ResumePoint
from shared.generations.generations import Accepted
from shared.process.background_thread import aside

IGNORED_HEADER = "Midstream-Ignored"
"""The header that names the fields which were accepted and change nothing."""


async def ask(request: Request, owner: str, use: ApiServices, dialect: ApiDialect) -> Response:
    """Accepts a request in a dialect, and answers as it wants: the stream, or the answer once it has ended."""
    check_key(key := request.headers.get("idempotency-key"))
    async with use.large_bodies.turn(owner) as turn:
        body = await request_body.read_body(request, use.settings.max_body, turn)
        fields = await aside(len(body), parsed, body, use.settings.max_values)
        if dialect.fields_of is not None:
            fields = dialect.fields_of(request.headers) | fields
        fields, ignored = (fields, ()) if dialect.fix is None else dialect.fix(fields, use.settings)
        fields = await with_items(use, owner, dialect, fields)
        previous = await newest_answer(use, owner, dialect, fields, key)
        read = await aside(len(body), read_dialect, fields, dialect, use.served, use.settings.max_values, previous)
    async with use.hub.audience.seats.kept(owner if read.request.stream else None) as seat:
        return await _noted_answer(request, owner, use, dialect, read.ignoring(ignored), body, key, seat)


async def _noted_answer(
    request: Request,
    owner: str,
    use: ApiServices,
    dialect: ApiDialect,
    read: ReadBody,
    body: bytes,
    key: str | None,
    seat: Seat | None,
) -> Response:
    asker = await _asker(request, owner, use, dialect, body) if key is None else None
    try:
        return await _answer(request, owner, use, dialect, read, asker, key, seat)
    except BaseException as error:
        # A failure that the generation ended with is its answer; after any other error a retry is to join.
        if asker is not None:
            (asker.answered if isinstance(error, FailedAnswerError) else asker.broke)()
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
    seat: Seat | None,
) -> Response:
    fresh, generation_id = True, None if asker is None else asker.joined
    announcement = None
    if generation_id is None:
        accepted = await _accepted(use, owner, read, asker, key)
        generation_id, created_ms, fresh = accepted.id, accepted.created_ms, accepted.created
        announcement = accepted.announcement
    if not fresh or (asker is not None and asker.joined is not None):
        fresh, created_ms = False, (await use.record(generation_id, owner)).created_ms
    limits = rate_limit_headers(use.settings.limits(owner), announcement)
    headers = {GENERATION_HEADER: generation_id, **NO_STORE_HEADERS, **limits}
    if not fresh and key is not None:
        headers["Idempotent-Replayed"] = "true"
    if read.request.ignored:
        headers[IGNORED_HEADER] = ", ".join(read.request.ignored)
    told = Telling(dialect.wire, subject_of(generation_id, created_ms, read.asked, dialect))
    if read.request.stream:
        del headers["Cache-Control"]
        start = ResumePoint(number=0, unwatched_ms=read.taken.unwatched_ms)
        if not fresh:
            start = await start_of(use, await use.record(generation_id, owner), told)
        first, seen = (b"", 0) if dialect.seen_by_asker is None else dialect.seen_by_asker(told.subject)
        closed = None if asker is None else functools.partial(_close, asker)
        return EventStream(
            use.hub,
            generation_id,
            owner,
            replace(start, number=seen),
            first=first,
            headers={**headers, **dialect.headers},
            told=told,
            closed=closed,
            seat=seat,
        )
    if not read.request.background:
        await until_ended(request, use, generation_id, unwatched_ms=read.taken.unwatched_ms)
    whole = await shown(use, generation_id, owner, dialect, told, headers, posted=not read.request.background)
    return AnswerResponse(whole, 200, headers, asker)


async def _accepted(use: ApiServices, owner: str, read: ReadBody, asker: Asker | None, key: str | None) -> Accepted:
    try:
        return await _accepted_once(use, owner, read, asker, key)
    except ProblemError as problem:
        for error in problem.errors:
            if error.pointer.startswith("/"):
                error.pointer = read.request.pointer(error.pointer)
        raise


async def _accepted_once(
    use: ApiServices, owner: str, read: ReadBody, asker: Asker | None, key: str | None
) -> Accepted:
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
