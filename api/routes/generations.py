"""Accept, list, show, cancel and delete generations."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from api.access.callers import Owner
from api.access.json_only import json_only
from api.counting.seats import Seat
from api.dialects.native.event_schemas import STREAM
from api.direct_route import described, parameter
from api.exchange import ending
from api.exchange.acceptance import accept, check_key
from api.exchange.waiting import as_it_stands, until_ended
from api.intake import request_body
from api.intake.accept_header import wants_stream
from api.intake.list_filters import MAX_VALUE_CHARS, PREFIX, read_filters
from api.intake.prefer_header import read_wait
from api.intake.request_body import ReadRequest
from api.problems.limits import rate_limit_headers
from api.problems.problem import FieldError, documented, unprocessable
from api.routes.ask_route import AskRoute
from api.schemas import generation
from api.schemas.generation import AcceptedGeneration, CancelAnswer, Generation, GenerationList, GenerationSnapshot
from api.schemas.no_store import NO_STORE_HEADERS, no_store
from api.services import ApiServices, GenerationId, Use
from api.viewing.event_stream import EventStream
from api.viewing.resume import ResumePoint, asked_cursor, read_cursor
from shared.generations.generations import Accepted
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.queue.indexes import IndexPlace
from shared.record import Record, Shown, State
from shared.request.request_json import encode

router = APIRouter(prefix="/v1/generations", tags=["generations"], dependencies=[no_store, json_only])

_PLACE = re.compile(r"[0-9]{1,15}-gen_[a-z2-7]{32}")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GenerationRequest"}}},
    }
}
_HEADERS = described(
    parameter(
        "header",
        "idempotency-key",
        "1 to 255 printable ASCII characters; the same key and body give the same generation.",
    ),
    parameter("header", "last-event-id", "With an `Idempotency-Key`, the stream goes on after this event."),
)
_METADATA_PARAMETER: dict[str, Any] = {
    "name": f"{PREFIX}NAME",
    "in": "query",
    "description": "Only generations whose `metadata` has this value under NAME. Of several, all must hold.",
    "schema": {"type": "string", "maxLength": MAX_VALUE_CHARS},
}
_LOCATION = {"Location": {"description": "Address of the generation.", "schema": {"type": "string"}}}


async def create(request: Request, owner: Owner, use: Use) -> Response:
    """Ask a model. The answer is written to a log that can be followed, left and resumed."""
    check_key(key := request.headers.get("idempotency-key"))
    async with use.large_bodies.turn(owner) as turn:
        body = await request_body.read_body(request, use.settings.max_body, turn)
        taken = await aside(len(body), request_body.take, body, use.served, use.settings.max_values)
    wait_s = None if taken.stream else read_wait(request.headers.getlist("prefer"))
    asks = taken.stream is None and wait_s is None and wants_stream(request.headers.getlist("accept"))
    async with use.hub.audience.seats.kept(owner if taken.stream or asks else None) as seat:
        return await _created(request, owner, use, taken, key, wait_s, seat, streams=taken.stream or asks)


router.add_api_route(
    "",
    create,
    methods=["POST"],
    status_code=202,
    response_model=AcceptedGeneration,
    openapi_extra=_BODY | _HEADERS,
    responses={
        200: {
            "description": "With `stream: true` or `Accept: text/event-stream`: `queued`, then the events. With "
            "`stream: false`, or where it ends within `Prefer: wait=N`: the snapshot.",
            "model": GenerationSnapshot,
            "content": {"text/event-stream": STREAM},
        },
        202: {"description": "Accepted; it now runs to its end.", "headers": _LOCATION},
        **documented(400, 401, 403, 409, 410, 413, 415, 422, 429, 503),
    },
    route_class_override=AskRoute,
)


async def _created(
    request: Request,
    owner: str,
    use: ApiServices,
    taken: ReadRequest,
    key: str | None,
    wait_s: int | None,
    seat: Seat | None,
    *,
    streams: bool,
) -> Response:
    """Accepts a request, and answers it with its stream, its end, or that it is accepted."""
    accepted = await accept(use, owner, taken, key)
    limits = rate_limit_headers(use.settings.limits(owner), accepted.announcement)
    headers = {"Location": f"/v1/generations/{accepted.id}", **NO_STORE_HEADERS, **limits}
    if not accepted.created:
        headers["Idempotent-Replayed"] = "true"
    if taken.stream is False or wait_s is not None:
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s}"
        over = accepted.state not in ("queued", "running")
        if over or await until_ended(request, use, accepted.id, wait_s, unwatched_ms=taken.unwatched_ms):
            return await _snapshot(use, accepted.id, owner, headers)
    if not streams:
        record = AcceptedGeneration(
            id=accepted.id,
            state=accepted.state,
            model=taken.request.model,
            created=generation.timestamp(accepted.created_ms),
            conversation=taken.request.conversation,
            previous=taken.request.previous,
            links=generation.links(accepted.id),
        )
        return JSONResponse(record.model_dump(), 202, headers)
    del headers["Cache-Control"]
    first = use.hub.dialect.queued(accepted.id, await _position(use, accepted))
    cursor = asked_cursor(request)
    if cursor and key is not None:
        # A client that repeats its POST goes on where it was. At the end that is an empty stream: at a 204 some retry.
        start = read_cursor(cursor)
        return EventStream(use.hub, accepted.id, owner, start, admitted=False, first=first, headers=headers, seat=seat)
    start = ResumePoint(
        reset="unknown_cursor" if cursor else None,
        sealed=accepted.state not in ("queued", "running"),
        unwatched_ms=taken.unwatched_ms,
    )
    return EventStream(use.hub, accepted.id, owner, start, first=first, headers=headers, seat=seat)


async def _position(use: ApiServices, accepted: Accepted) -> int | None:
    try:
        return await use.generations.queue.position(accepted.id) if accepted.state == "queued" else None
    except RedisError:
        return None


@router.head("", include_in_schema=False)
@router.get(
    "",
    response_model=GenerationList,
    responses=documented(401, 422, 503),
    openapi_extra={"parameters": [_METADATA_PARAMETER]},
)
async def list_generations(
    request: Request,
    owner: Owner,
    use: Use,
    limit: Annotated[int, Query(ge=1, le=100, description="Generations on a page.")] = 20,
    before: Annotated[
        str | None, Query(description="`next` of the page before, or the id of one of your generations.", max_length=64)
    ] = None,
    state: Annotated[
        list[State] | None, Query(description="Only generations in this state; where it is repeated, in any of these.")
    ] = None,
) -> GenerationList:
    """Your generations, newest first; with filters, those for which all hold.

    A page looks at a bounded number of generations: with filters it may be short, or empty, and still have a `next`.
    """
    place = await _place(use, owner, before) if before else None
    filters = read_filters(state or (), request.query_params.multi_items())
    wants = filters.wants if filters else None
    records, following = await use.generations.page(owner, before=place, limit=limit, wants=wants)
    return GenerationList(
        data=[Generation.model_validate(generation.summary(record)) for record in records],
        next=str(following) if following else None,
    )


async def _place(use: ApiServices, owner: str, before: str) -> IndexPlace:
    if _PLACE.fullmatch(before):
        return IndexPlace.parse(before)
    place = await use.generations.place(owner, before)
    if place is None:
        message = "is no place in your list; send `next` of the page before, or leave it out to begin with the newest"
        raise unprocessable([FieldError(pointer="before", message=message)])
    return place


@router.head("/{id}", response_model_exclude_unset=True, include_in_schema=False)
@router.get(
    "/{id}",
    response_model=GenerationSnapshot,
    response_model_exclude_unset=True,
    responses=documented(401, 404, 410, 422, 503),
)
async def show(
    id: GenerationId,
    owner: Owner,
    use: Use,
    include: Annotated[
        list[Literal["raw"]] | None, Query(description="What else to show: `raw`, the first of the `raw` events.")
    ] = None,
) -> Response:
    """A generation as it stands: its text so far, its parts put together, tool calls and JSON parsed."""
    return await _snapshot(use, id, owner, NO_STORE_HEADERS, raw=bool(include))


async def _snapshot(
    use: ApiServices, id: str, owner: str, headers: Mapping[str, str], *, raw: bool = False
) -> Response:
    record, said, size = await as_it_stands(use, id, owner)
    shown = await use.generations.shown(record)
    return Response(await aside(size, _written, record, shown, said, raw), 200, dict(headers), "application/json")


def _written(record: Record, shown: Shown, said: Snapshot, raw: bool) -> bytes:
    """Returns the snapshot as JSON, in steps: one of many MB takes seconds, in which others are served."""
    return encode(
        generation.snapshot(record, shown, said, raw=raw).model_dump(mode="json", by_alias=True, exclude_unset=True)
    )


@router.post(
    "/{id}/cancel",
    response_model=CancelAnswer,
    responses={
        202: {"description": "Asked for; it has not ended yet.", "model": CancelAnswer},
        **documented(401, 403, 404, 410, 415, 503),
    },
)
async def cancel(id: GenerationId, owner: Owner, use: Use, response: Response) -> CancelAnswer:
    """End a generation, and say how it ended. Idempotent; completion may win."""
    state = await ending.cancel(use, id, owner)
    if state in ("queued", "running"):
        response.status_code = 202
    return CancelAnswer(id=id, state=state)


@router.delete("/{id}", status_code=204, responses=documented(401, 403, 404, 415, 503))
async def delete(id: GenerationId, owner: Owner, use: Use) -> Response:
    """Remove a generation's content at once; its viewers are ended and its worker stops. Idempotent."""
    await ending.delete(use, id, owner)
    return Response(status_code=204, headers=NO_STORE_HEADERS)
