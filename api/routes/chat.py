"""Chats of the AI SDK: ask, come back to what runs, and stop it (AI SDK: "Chatbot Resume Streams")."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.callers import Owner
from api.access.json_only import json_only
from api.dialects.ai_sdk import errors, request
from api.dialects.ai_sdk.events import AiSdkDialect
from api.dialects.ai_sdk.fixed import fixed
from api.dialects.ai_sdk.opening import seen_by_asker
from api.dialects.api_dialect import ApiDialect
from api.exchange import ending
from api.exchange.asking import ask
from api.exchange.conversation_turns import newest_turn, running_turns
from api.exchange.error_envelopes import documented
from api.exchange.showing import GENERATION_HEADER, start_of
from api.exchange.telling import told_of
from api.routes.ask_route import AskRoute
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import Use
from api.viewing.event_stream import EventStream

router = APIRouter(prefix="/api/chat", tags=["AI SDK"], dependencies=[json_only])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "What the AI SDK's `DefaultChatTransport` sends; docs/dialects.md has what its `body` may be.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
DIALECT = ApiDialect(
    wire=AiSdkDialect(),
    prefix="msg_",
    path=router.prefix,
    read=request.read,
    envelope=errors.text,
    status=errors.status,
    fix=fixed,
    headers={"x-vercel-ai-ui-message-stream": "v1"},
    seen_by_asker=seen_by_asker,
)

ChatId = Annotated[str, Path(description="The chat's id, which is its conversation; it may hold slashes.")]


async def create(request: Request, owner: Owner, use: Use) -> Response:
    """Ask a model as `useChat` does; the answer is a UI message stream, written to a log."""
    return await ask(request, owner, use, DIALECT)


router.add_api_route(
    "",
    create,
    methods=["POST"],
    openapi_extra=_BODY,
    responses=documented(400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503, kind="text/plain"),
    route_class_override=AskRoute,
)


@router.head("/{id:path}/stream", include_in_schema=False)
@router.get(
    "/{id:path}/stream",
    response_class=Response,
    responses={204: {"description": "Nothing runs in this chat."}, **documented(401, 429, 503, kind="text/plain")},
)
async def stream(
    id: ChatId,
    owner: Owner,
    use: Use,
    ended: Annotated[bool, Query(description="Whether the newest answer is wanted also where it has ended.")] = False,
) -> Response:
    """The answer that runs in a chat, from its start."""
    record = await newest_turn(use, owner, id, ended=ended)
    if record is None:
        return Response(status_code=204, headers=NO_STORE_HEADERS)
    told = await told_of(use, record, DIALECT)
    start = await start_of(use, record, told)
    headers = {GENERATION_HEADER: record.id, **DIALECT.headers}
    return EventStream(use.hub, record.id, owner, start, headers=headers, told=told)


@router.post("/{id:path}/stop", status_code=204, responses=documented(401, 403, 415, 503, kind="text/plain"))
async def stop(id: ChatId, owner: Owner, use: Use) -> Response:
    """End what runs in a chat, for all who watch. Idempotent."""
    for record in await running_turns(use, owner, id):
        await ending.cancel(use, record.id, owner)
    return Response(status_code=204, headers=NO_STORE_HEADERS)
