"""OpenAI Chat Completions: ask, and watch again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.access.callers import Owner
from api.access.json_only import json_only
from api.dialects.api_dialect import ApiDialect
from api.dialects.openai_chat import answer, errors, request
from api.dialects.openai_chat.events import OpenAIChatDialect
from api.exchange.asking import ask
from api.exchange.error_envelopes import documented
from api.exchange.showing import show
from api.routes.ask_route import AskRoute
from api.services import Use

router = APIRouter(prefix="/v1/chat/completions", tags=["OpenAI Chat Completions"], dependencies=[json_only])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": 'OpenAI\'s reference: "Create chat completion"; docs/dialects.md says what of it counts here.',
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
DIALECT = ApiDialect(
    wire=OpenAIChatDialect(),
    prefix="chatcmpl-",
    path=router.prefix,
    read=request.read,
    answer=answer.answer,
    envelope=lambda problem, _: errors.body(problem),
    status=errors.status,
    status_of=errors.status_of,
)


async def create(request: Request, owner: Owner, use: Use) -> Response:
    """Ask a model as OpenAI's clients do; the answer is written to a log, and watched in every dialect."""
    return await ask(request, owner, use, DIALECT)


router.add_api_route(
    "",
    create,
    methods=["POST"],
    openapi_extra=_BODY,
    responses=documented(400, 401, 403, 404, 410, 413, 415, 429, 503),
    route_class_override=AskRoute,
)


@router.head("/{name}", include_in_schema=False)
@router.get("/{name}", responses=documented(400, 401, 404, 410, 429, 503))
async def retrieve(
    name: str,
    owner: Owner,
    use: Use,
    stream: Annotated[bool, Query(description="The events instead of the object.")] = False,
    starting_after: Annotated[
        int | None, Query(description="Number of the last event that was seen; the first is 0.")
    ] = None,
) -> Response:
    """The answer as it stands, or its events from any of them on."""
    return await show(name, owner, use, DIALECT, stream=stream, starting_after=starting_after)
