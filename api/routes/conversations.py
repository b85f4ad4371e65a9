"""List, show, name and delete conversations."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.access.callers import Owner
from api.access.json_only import json_only
from api.encoded_paths import EncodedRoute
from api.exchange import ending
from api.exchange.conversing import listed, shown, state_of
from api.intake.title_body import read_title
from api.problems.problem import FieldError, conversation_gone, documented, unprocessable
from api.schemas.conversation import Conversation, ConversationList, ConversationPage, conversation, title_body
from api.schemas.no_store import NO_STORE_HEADERS, no_store
from api.services import ConversationName, Use
from shared.conversations.conversations import MAX_CONVERSATION_CHARS
from shared.conversations.owner_index import ConversationPlace

router = APIRouter(
    prefix="/v1/conversations", tags=["conversations"], dependencies=[no_store, json_only], route_class=EncodedRoute
)


@router.head("", include_in_schema=False)
@router.get("", response_model=ConversationList, responses=documented(401, 403, 422, 503))
async def list_conversations(
    owner: Owner,
    use: Use,
    limit: Annotated[int, Query(ge=1, le=100, description="Conversations on a page.")] = 20,
    before: Annotated[
        str | None, Query(description="`next` of the page before.", max_length=MAX_CONVERSATION_CHARS + 16)
    ] = None,
) -> ConversationList:
    """Your conversations, newest first: by when the newest generation of each was accepted."""
    return await listed(use, owner, _place(before) if before else None, limit)


def _place(before: str) -> ConversationPlace:
    try:
        return ConversationPlace.parse(before)
    except ValueError:
        message = "is no place in your list; send `next` of the page before, or leave it out to begin with the newest"
        raise unprocessable([FieldError(pointer="before", message=message)]) from None


@router.head("/{id}", include_in_schema=False)
@router.get("/{id}", response_model=ConversationPage, responses=documented(401, 403, 404, 410, 422, 503))
async def show(
    name: ConversationName,
    owner: Owner,
    use: Use,
    limit: Annotated[int, Query(ge=1, le=100, description="Generations on a page.")] = 20,
    before: Annotated[int | None, Query(ge=1, description="`next` of the page before: a number.")] = None,
) -> Response:
    """A conversation with its generations, newest first, each as it stands. A page ends early after 4 MB."""
    about = await use.conversation(name, owner)
    return Response(await shown(use, about, before, limit), 200, NO_STORE_HEADERS, "application/json")


@router.patch(
    "/{id}",
    response_model=Conversation,
    openapi_extra=title_body(),
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 503),
)
async def rename(name: ConversationName, owner: Owner, request: Request, use: Use) -> Conversation:
    """Give a conversation another title."""
    title = await read_title(request, use.settings)
    about = await use.conversation(name, owner)
    if not await use.generations.conversations.rename(owner, name, title):
        raise conversation_gone()
    return Conversation.model_validate(conversation(about._replace(title=title), await state_of(use, about)))


@router.delete("/{id}", status_code=204, responses=documented(401, 403, 404, 415, 503))
async def delete(name: ConversationName, owner: Owner, use: Use) -> Response:
    """Remove a conversation and the content of all its generations; whoever follows it is ended. Idempotent."""
    await ending.delete_conversation(use, name, owner)
    return Response(status_code=204, headers=NO_STORE_HEADERS)
