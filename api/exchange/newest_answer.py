"""The newest answer of a conversation, from which a request goes on that names that alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from api.dialects.api_dialect import ApiDialect
from api.dialects.dialect_request import DialectRequest
from api.services import ApiServices
from shared.conversations.conversations import MAX_GENERATIONS

STANDS = ("completed", "cancelled")
"""States of a generation that can be gone on from."""
LOOKED_AT = 20
"""Generations whose state is read in one round trip."""


async def newest_answer(
    use: ApiServices, owner: str, dialect: ApiDialect, fields: Mapping[str, Any], key: str | None
) -> str | None:
    """Returns the id of the generation that a body goes on from by its conversation; None where by none.

    That is the newest of it that has ended, has not failed and is to be stored. A request that was accepted before with
    this idempotency key goes on from what it went on from then. Raises redis.exceptions.RedisError.
    """
    conversation = None if dialect.conversation_of is None else dialect.conversation_of(fields)
    if conversation is None:
        return None
    if key is not None:
        accepted = (await use.generations.find(await use.generations.new_id(owner, key))).record
        if accepted is not None and accepted.conversation == conversation:
            return accepted.gone_on_from
    (ids,) = await use.generations.conversations.newest(owner, [conversation], MAX_GENERATIONS)
    for start in range(0, len(ids), LOOKED_AT):
        page = ids[start : start + LOOKED_AT]
        for generation_id, state in zip(page, await use.generations.states(page), strict=True):
            if state in STANDS and (await use.generations.asked(generation_id)).stored:
                return generation_id
    return None


def going_on(request: DialectRequest, previous: str) -> DialectRequest:
    """Returns a request that goes on from this generation, of which its caller has only named the conversation."""

    def pointer(native: str) -> str:
        return "/conversation" if native == "/previous" else request.pointer(native)

    return replace(request, native=request.native | {"previous": previous}, pointer=pointer)
