"""A token with which an EventSource, which sends no header, follows one conversation."""

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.access.browsers import UseBrowsers
from api.access.callers import Asking, Reader
from api.access.event_tokens import CONVERSATION
from api.access.json_only import json_for_readers
from api.encoded_paths import EncodedRoute
from api.intake.ttl_body import read_ttl
from api.problems.problem import documented
from api.routes.tokens import MAX_TTL_S
from api.schemas.access import TokenAnswer, ttl_body
from api.schemas.generation import timestamp
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import ConversationName, Use

router = APIRouter(
    prefix="/v1/conversations", tags=["browsers"], dependencies=[json_for_readers], route_class=EncodedRoute
)

TTL_S = 43_200
"""Seconds that a token lasts where its caller does not say: as a browser's session."""


@router.post(
    "/{id}/token",
    status_code=201,
    response_model=TokenAnswer,
    openapi_extra=ttl_body("Defaults to 12 hours.", MAX_TTL_S),
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 503),
)
async def make(
    name: ConversationName, owner: Reader, caller: Asking, request: Request, use: Use, browsers: UseBrowsers
) -> Response:
    """Get a token for `GET /v1/conversations/ID/events?token=…`: for that conversation, to read, and for nothing else.

    It ends with its time, and with the key or the session with which it was asked for.
    """
    ttl = await read_ttl(request, use.settings, MAX_TTL_S)
    await use.conversation(name, owner)
    expires = time.time() + (TTL_S if ttl is None else ttl)
    token = await browsers.tokens.make(name, owner, await browsers.grant(request, caller), expires, CONVERSATION)
    answer = TokenAnswer(token=token, expires=timestamp(int(expires * 1000)))
    return JSONResponse(answer.model_dump(), 201, NO_STORE_HEADERS)
