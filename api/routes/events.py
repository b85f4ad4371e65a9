"""Follow a generation's log."""

import asyncio
import functools
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from redis.exceptions import RedisError

from api.access.callers import reader_of
from api.dialects.native.event_schemas import STREAM
from api.problems.problem import ProblemError, documented, gone, not_found, unreadable
from api.services import ApiServices, GenerationId, Use
from api.viewing.event_stream import EventStream
from api.viewing.resume import Refusal, ResumePoint, admit, asked_cursor, read_cursor
from shared.log.events import ORIGIN

router = APIRouter(prefix="/v1/generations", tags=["generations"])

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


@router.get("/{id}/events", response_class=Response, responses=_RESPONSES)
@router.head("/{id}/events", response_class=Response, include_in_schema=False)
async def events(
    id: GenerationId,
    use: Use,
    request: Request,
    _header: Annotated[
        str, Header(alias="last-event-id", description="The cursor: the event id of the last event that was seen.")
    ] = "",
    _query: Annotated[
        str,
        Query(
            alias="last_event_id",
            description="The same, for clients without the header, which wins; `lastEventId` and `Last-Event-ID` too.",
        ),
    ] = "",
    viewers: Annotated[bool, Query(description="Whether `viewers` events say how many watch.")] = False,
) -> Response:
    """Replay the log after a cursor, follow it, and end after its terminal event."""
    return await follow(request, use, id, counts=viewers)


async def follow(request: Request, use: ApiServices, id: str = "", *, counts: bool = False) -> Response:
    """Returns the stream of a generation, from the cursor that a request asks for; without `id`, that of its link.

    An EventSource gives up at a 5xx. So where Redis does not answer, the stream is opened all the same, and waits until
    it is known who asks, and what there is. With `counts` it says how many watch.

    Raises ProblemError 401, 403, 404 or 410.
    """
    start = read_cursor(asked_cursor(request))
    asking = functools.partial(reader_of, request)
    try:
        async with asyncio.timeout(use.ask_timeout_s):
            caller = await asking()
    except (RedisError, TimeoutError):
        return EventStream(use.hub, id, "", start, admitted=False, asking=asking, counts=counts)
    except ProblemError as problem:
        if problem.status != 503:
            raise
        return EventStream(use.hub, id, "", start, admitted=False, asking=asking, counts=counts)
    id, owner = id or caller.generation or "", caller.owner
    decision = await _decide(use, id, owner, start)
    if decision is None:
        return EventStream(use.hub, id, owner, start, admitted=False, counts=counts)
    match decision:
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
    try:
        async with asyncio.timeout(use.ask_timeout_s):
            decision = await admit(use.log, use.generations, generation_id, owner, start)
            if decision == "not_found" and await use.just_restarted(sure=start.cursor == ORIGIN):
                return None  # who asks may be right: it is about to be written again
            return decision
    except (RedisError, TimeoutError):
        return None
