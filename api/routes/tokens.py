"""A token with which an EventSource, which sends no header, follows one generation."""

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.access.browsers import UseBrowsers
from api.access.callers import Asking, Reader
from api.access.json_only import json_for_readers
from api.intake.ttl_body import read_ttl
from api.problems.problem import documented
from api.schemas.access import TokenAnswer, ttl_body
from api.schemas.generation import timestamp
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import GenerationId, Use

router = APIRouter(prefix="/v1/generations", tags=["browsers"], dependencies=[json_for_readers])

MAX_TTL_S = 604_800
BEYOND_DEADLINE_S = 3_600
"""Seconds that a token outlives the generation's deadline, where its caller does not say how long it is to last."""


@router.post(
    "/{id}/token",
    status_code=201,
    response_model=TokenAnswer,
    openapi_extra=ttl_body("Defaults to the generation's deadline and 1 hour.", MAX_TTL_S),
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 503),
)
async def make(
    id: GenerationId, owner: Reader, caller: Asking, request: Request, use: Use, browsers: UseBrowsers
) -> Response:
    """Get a token for `GET /v1/generations/ID/events?token=…`: for that generation, to read, and for nothing else.

    An EventSource comes back with the same address, so the token is to outlive the answer. It ends with its time, and
    with the key or the session with which it was asked for.
    """
    ttl = await read_ttl(request, use.settings, MAX_TTL_S)
    record = await use.record(id, owner)
    now = time.time()
    if ttl is None:
        ttl = max(0.0, await use.deadlines.due_ms(record) / 1000 - now) + BEYOND_DEADLINE_S
    token = await browsers.tokens.make(id, owner, await browsers.grant(request, caller), now + ttl)
    answer = TokenAnswer(token=token, expires=timestamp(int((now + ttl) * 1000)))
    return JSONResponse(answer.model_dump(), 201, NO_STORE_HEADERS)
