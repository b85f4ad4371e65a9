"""What a link shows: the page to a browser, the generation as JSON to all others, and its events."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from redis.exceptions import RedisError

from api.access.callers import caller_of
from api.dialects.native.event_schemas import STREAM
from api.exchange.waiting import as_it_stands
from api.intake.accept_header import wants_page
from api.problems.problem import ProblemError, documented
from api.request_paths import SHARED
from api.routes.events import follow
from api.routes.page import shared_page
from api.schemas import generation
from api.schemas.generation import SharedGeneration
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ApiServices, Use
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Record, Shown
from shared.request.request_json import encode

router = APIRouter(prefix=SHARED.rstrip("/"), tags=["browsers"])

Secret = Annotated[str, Path(description="The link's secret.")]
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON; with `Accept: text/html` the page.", "content": {"text/html": {}}}
}


@router.head("/{secret}", include_in_schema=False)
@router.get("/{secret}", response_model=SharedGeneration, responses={**_PAGE, **documented(404, 410, 503)})
async def show(secret: Secret, request: Request, use: Use) -> Response:
    """A generation that somebody shares, as it stands: what it says, not what was asked, nor by whom."""
    if wants_page(request.headers.getlist("accept")):
        return shared_page(request, use, await _status(request, use))
    caller = await caller_of(request)
    record, said, size = await as_it_stands(use, caller.generation or "", caller.owner)
    written = await aside(size, _written, record, said, SHARED + secret)
    return Response(written, 200, {**NO_STORE_HEADERS, "Vary": "Accept"}, "application/json")


def _written(record: Record, said: Snapshot, address: str) -> bytes:
    """Returns what the link shows as JSON, in steps."""
    shown = generation.shared(generation.snapshot(record, Shown(), said), address)
    return encode(shown.model_dump(mode="json", by_alias=True, exclude_unset=True))


async def _status(request: Request, use: ApiServices) -> int:
    """Returns the status with which the page is answered, as a browser is to know a link that leads nowhere."""
    try:
        caller = await caller_of(request)
        await use.record(caller.generation or "", caller.owner)
    except ProblemError as problem:
        return problem.status
    except RedisError:
        return 503
    return 200


@router.get(
    "/{secret}/events",
    response_class=Response,
    responses={
        200: {"description": "Server-sent events.", "content": {"text/event-stream": STREAM}},
        204: {"description": "The cursor is at the end: there is nothing more, ever."},
        **documented(404, 410, 429),
    },
)
@router.head("/{secret}/events", response_class=Response, include_in_schema=False)
async def events(
    secret: Secret,
    use: Use,
    request: Request,
    _query: Annotated[str, Query(alias="last_event_id", description="The cursor, where it is not in the header.")] = "",
    viewers: Annotated[bool, Query(description="Whether `viewers` events say how many watch.")] = False,
) -> Response:
    """Follow a generation that somebody shares, as `GET /v1/generations/ID/events` does."""
    return await follow(request, use, counts=viewers)
