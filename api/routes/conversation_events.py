"""Follow a conversation: its generations one after the other, and those that begin later."""

import asyncio
import functools
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from redis.exceptions import RedisError

from api.access.callers import reader_of
from api.dialects.native.event_schemas import CONVERSATION_STREAM
from api.encoded_paths import EncodedRoute
from api.problems.problem import ProblemError, conversation_gone, conversation_not_found, documented
from api.services import ApiServices, ConversationName, Use
from api.viewing.conversation.cursor import ConversationStart, read_conversation_cursor
from api.viewing.conversation.stream import ConversationStream, admit
from api.viewing.resume import Refusal, asked_cursor

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], route_class=EncodedRoute)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. The `id:` of each that has one is the cursor: sent back, the stream goes "
        "on after it. It ends with the conversation only.",
        "content": {"text/event-stream": CONVERSATION_STREAM},
    },
    **documented(401, 404, 410, 429),
}


@router.get("/{id}/events", response_class=Response, responses=_RESPONSES)
@router.head("/{id}/events", response_class=Response, include_in_schema=False)
async def events(
    name: ConversationName,
    use: Use,
    request: Request,
    _header: Annotated[
        str, Header(alias="last-event-id", description="The cursor: the `id:` of the last event that was seen.")
    ] = "",
    _query: Annotated[
        str,
        Query(
            alias="last_event_id",
            description="The same, for clients without the header, which wins; `lastEventId` and `Last-Event-ID` too.",
        ),
    ] = "",
    viewers: Annotated[bool, Query(description="Whether `viewers` events say how many watch the generation.")] = False,
) -> Response:
    """Follow a conversation after a cursor: one generation after the other, also those that begin later.

    Without a cursor only the beginning and the end are told of those that have ended: `GET /v1/conversations/ID` has
    what they say.
    """
    start = read_conversation_cursor(asked_cursor(request))
    asking = functools.partial(reader_of, request)
    try:
        async with asyncio.timeout(use.ask_timeout_s):
            owner = (await asking()).owner
    except (RedisError, TimeoutError):
        return ConversationStream(use.watched, name, "", start, admitted=False, counts=viewers, asking=asking)
    except ProblemError as problem:
        if problem.status != 503:
            raise
        return ConversationStream(use.watched, name, "", start, admitted=False, counts=viewers, asking=asking)
    known, refusal = await _decide(use, name, owner, start)
    match refusal:
        case "gone":
            raise conversation_gone()
        case "not_found":
            raise conversation_not_found()
    return ConversationStream(use.watched, name, owner, start, admitted=known, counts=viewers)


async def _decide(use: ApiServices, name: str, owner: str, start: ConversationStart) -> tuple[bool, Refusal | None]:
    """Returns whether it is known now who may follow what, and why not."""
    try:
        async with asyncio.timeout(use.ask_timeout_s):
            refusal = await admit(use.watched, owner, name)
            if refusal == "not_found" and await use.just_restarted(sure=start.cursor is None):
                return False, None  # who asks may be right: it is about to be written again
            return True, refusal
    except (RedisError, TimeoutError):
        return False, None
