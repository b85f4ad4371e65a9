"""Anthropic Messages: ask, and watch again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.access.callers import Owner
from api.access.json_only import json_only
from api.dialects.anthropic_messages import answer, errors, request
from api.dialects.anthropic_messages.events import AnthropicMessagesDialect
from api.dialects.api_dialect import ApiDialect
from api.exchange.asking import ask
from api.exchange.error_envelopes import documented
from api.exchange.showing import show
from api.problems.problem import ProblemError
from api.routes.ask_route import AskRoute
from api.services import Use

router = APIRouter(prefix="/v1/messages", tags=["Anthropic Messages"], dependencies=[json_only])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": 'Anthropic\'s reference: "Create a Message"; docs/dialects.md says what of it counts here.',
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
DIALECT = ApiDialect(
    wire=AnthropicMessagesDialect(),
    prefix="msg_",
    path=router.prefix,
    read=request.read,
    answer=answer.answer,
    envelope=errors.body,
    status=errors.status,
    status_of=errors.status_of,
    fields_of=request.fields_of,
)


async def create(request: Request, owner: Owner, use: Use) -> Response:
    """Ask a model as Anthropic's clients do; the answer is written to a log, and watched in every dialect."""
    return await ask(request, owner, use, DIALECT)


router.add_api_route(
    "",
    create,
    methods=["POST"],
    openapi_extra=_BODY,
    responses=documented(400, 401, 403, 404, 410, 413, 415, 429, 503),
    route_class_override=AskRoute,
)


@router.post("/count_tokens", include_in_schema=False)
async def count_tokens(owner: Owner) -> Response:
    """Says that tokens are not counted here: this API asks no provider."""
    raise ProblemError(
        404,
        "not_found",
        "Tokens are not counted here",
        "This API asks no provider before a generation runs. Ask the provider, or estimate.",
        headers={"x-should-retry": "false"},
    )


@router.head("/{name}", include_in_schema=False)
@router.get("/{name}", responses=documented(400, 401, 404, 410, 429, 503))
async def retrieve(
    name: str,
    owner: Owner,
    use: Use,
    stream: Annotated[bool, Query(description="The events instead of the message.")] = False,
    starting_after: Annotated[
        int | None, Query(description="Number of the last event that was seen; the first is 0, pings do not count.")
    ] = None,
) -> Response:
    """The message as it stands, or its events from any of them on."""
    return await show(name, owner, use, DIALECT, stream=stream, starting_after=starting_after)
