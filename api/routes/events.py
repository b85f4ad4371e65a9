"""Follow a generation's log."""

import asyncio
import functools
from typing import Any

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError

from api.access.callers import reader_of
from api.dialects.native.event_schemas import STREAM
from api.direct_route import DirectRoute, described, parameter
from api.intake.query_flag import query_flag
from api.problems.problem import ProblemError, documented, gone, not_found, unreadable
from api.schemas.generation import ID_EXAMPLE
from api.services import ApiServices, of_known_shape
from api.viewing.event_stream import EventStream
from api.viewing.resume import Refusal, ResumePoint, admit, asked_cursor, read_cursor
from shared.log.events import ORIGIN

router = APIRouter(prefix="/v1/generations", tags=["generations"], route_class=DirectRoute)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. The `id:` of each is its event id: sent back as the cursor, the stream "
        "goes on after it.",
        "content": {
            "text/event-stream": {
                **STREAM,
                "example": 'retry: 2000\nevent: part\ndata: {"part":0,"kind":"text","t":412}\nid: 1767225600000-1\n\n',
            }
        },
    },
    204: {"description": "The cursor is at the end: there is nothing more, ever."},
    **documented(401, 404, 410, 429),
}


_PARAMETERS = described(
    parameter("path", "id", "The generation's id.", example=ID_EXAMPLE),
    parameter("header", "last-event-id", "The cursor: the event id of the last event that was seen."),
    parameter(
        "query",
        "last_event_id",
        "The same, for clients without the header, which wins; `lastEventId` and `Last-Event-ID` too.",
    ),
    parameter("query", "viewers", "Whether `viewers` events say how many watch.", flag=True),
)


@router.get("/{id}/events", response_class=Response, responses=_RESPONSES, openapi_extra=_PARAMETERS)
@router.head("/{id}/events", response_class=Response, include_in_schema=False)
async def events(request: Request) -> Response:
    """Replay the log after a cursor, follow it, and end after its terminal event."""
    id = of_known_shape(request.path_params["id"])
    return await follow(request, request.app.state.services, id, counts=query_flag(request, "viewers"))


async def follow(request: Request, use: ApiServices, id: str = "", *, counts: bool = False) -> Response:
    """Returns the stream of a generation, from the cursor that a request asks for; without `id`, that of its link.

    An EventSource gives up at a 5xx. So where Redis does not answer, the stream is opened all the same, and waits until
    it is known who asks, and what there is. With `counts` it says how many watch.

    Raises ProblemError 401, 403, 404 or 410.
    """
    start = read_cursor(asked_cursor(request))
    asking = functools.partial(reader_of, request)
    owner: str | None = None
    try:
        async with asyncio.timeout(use.ask_timeout_s):
            caller = await asking()
            id, owner = id or caller.generation or "", caller.owner
            decision = await _decide(use, id, owner, start)
    except (RedisError, TimeoutError):
        decision = None
    except ProblemError as problem:
        if owner is not None or problem.status != 503:
            raise
        decision = None
    if owner is None:
        return EventStream(use.hub, id, "", start, admitted=False, asking=asking, counts=counts)
    match decision:
        case None:
            return EventStream(use.hub, id, owner, start, admitted=False, counts=counts)
        case ResumePoint():
            return EventStream(use.hub, id, owner, decision, counts=counts)
        case "not_found":
            raise not_found()
        case "gone":
            raise gone()
        case "unreadable":
            raise unreadable()
        case "over":
            return Response(status_code=204, headers={"Cache-Control": "no-store"})


async def _decide(use: ApiServices, generation_id: str, owner: str, start: ResumePoint) -> ResumePoint | Refusal | None:
    decision = await admit(use.log, use.hub.looks, generation_id, owner, start)
    if decision == "not_found" and await use.just_restarted(sure=start.cursor == ORIGIN):
        return None  # who asks may be right: it is about to be written again
    return decision
