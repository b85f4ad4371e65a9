"""OpenAI Responses: ask, watch again, cancel, delete, and what was asked."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.access.callers import Owner
from api.access.json_only import json_only
from api.dialects.api_dialect import ApiDialect, References
from api.dialects.openai_responses import answer as answers
from api.dialects.openai_responses import errors, references, request
from api.dialects.openai_responses.events import OpenAIResponsesDialect
from api.dialects.openai_responses.input_items import input_items
from api.exchange import ending
from api.exchange.asking import ask
from api.exchange.error_envelopes import documented
from api.exchange.showing import show
from api.exchange.telling import found, told_of
from api.problems.problem import FieldError, unprocessable
from api.routes.ask_route import AskRoute
from api.schemas.no_store import NO_STORE_HEADERS
from api.services import Use
from api.viewing.dialect import Subject
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside

router = APIRouter(prefix="/v1/responses", tags=["OpenAI Responses"], dependencies=[json_only])


def _answer(subject: Subject, said: Snapshot, *, epoch: int = 1) -> dict[str, Any]:
    return answers.answer(subject, said)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Open Responses, and 'Create a model response' in OpenAI's reference; see docs/dialects.md.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
DIALECT = ApiDialect(
    wire=OpenAIResponsesDialect(),
    prefix="resp_",
    path=router.prefix,
    read=request.read,
    answer=_answer,
    envelope=lambda problem, _: errors.body(problem),
    status=errors.status,
    status_of=errors.status_of,
    references=References(references.references, lambda answer: answer["output"], references.resolved),
    conversation_of=request.conversation_of,
    shows_failures=True,
)


async def create(request: Request, owner: Owner, use: Use) -> Response:
    """Ask a model as OpenAI's clients do; the answer is written to a log, and watched in every dialect."""
    return await ask(request, owner, use, DIALECT)


router.add_api_route(
    "",
    create,
    methods=["POST"],
    openapi_extra=_BODY,
    responses=documented(400, 401, 403, 404, 409, 410, 413, 415, 429, 503),
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
    """The response as it stands, or its events from any of them on."""
    return await show(name, owner, use, DIALECT, stream=stream, starting_after=starting_after)


@router.post("/{name}/cancel", responses=documented(401, 403, 404, 410, 415, 503))
async def cancel(name: str, owner: Owner, use: Use) -> Response:
    """End a response, and say how it ended. Idempotent; completion may win."""
    await ending.cancel(use, found(name, DIALECT).id, owner)
    return await show(name, owner, use, DIALECT)


@router.delete("/{name}", responses=documented(401, 403, 404, 415, 503))
async def delete(name: str, owner: Owner, use: Use) -> Response:
    """Remove a response's content at once; its viewers are ended and its worker stops. Idempotent."""
    await ending.delete(use, found(name, DIALECT).id, owner)
    return JSONResponse({"id": name, "object": "response", "deleted": True}, headers=NO_STORE_HEADERS)


@router.get("/{name}/input_items", responses=documented(400, 401, 404, 410, 503))
async def list_input_items(
    name: str,
    owner: Owner,
    use: Use,
    limit: Annotated[int, Query(ge=1, le=100, description="Items on a page.")] = 20,
    order: Annotated[str, Query(pattern="^(asc|desc)$", description="Newest first (`desc`), or as asked.")] = "desc",
    after: Annotated[str | None, Query(description="Id of the item after which the page begins.")] = None,
) -> Response:
    """What was asked, item by item."""
    record = await use.record(found(name, DIALECT).id, owner)
    told = await told_of(use, record, DIALECT)
    stored = await use.generations.request(record.id)
    items = await aside(len(stored), lambda: input_items(told.subject, msgspec.json.decode(stored)))
    if order == "desc":
        items.reverse()
    ids = [item["id"] for item in items]
    if after is not None and after not in ids:
        raise unprocessable([FieldError(pointer="after", message="is the id of no item of this response")])
    start = ids.index(after) + 1 if after is not None else 0
    page = items[start : start + limit]
    answer = {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(items),
    }
    return Response(msgspec.json.encode(answer), 200, NO_STORE_HEADERS, "application/json")
