"""Items of earlier answers that a request names by their ids: looked up before the request is read."""

from typing import Any

from api.dialects.api_dialect import ApiDialect
from api.exchange.telling import told_of
from api.exchange.waiting import said_so_far
from api.problems.problem import FieldError, unprocessable
from api.services import ApiServices
from api.viewing.resume import refusal

MAX_REFERRED = 32
"""Most generations to whose items one request may refer: the log of each is read."""


async def with_items(use: ApiServices, owner: str, dialect: ApiDialect, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the body with the items that it names alone; those that the owner does not have stay named.

    Raises ProblemError 422, and redis.exceptions.RedisError.
    """
    if dialect.references is None or dialect.answer is None:
        return fields
    named = dialect.references.of(fields)
    wanted = sorted(set(named.values()))
    if len(wanted) > MAX_REFERRED:
        message = f"refers to items of more than {MAX_REFERRED} responses; use previous_response_id, or send them whole"
        raise unprocessable([FieldError(pointer="/input", message=message)])
    items: dict[str, dict[str, Any]] = {}
    for generation_id in wanted:
        found = await use.generations.find(generation_id)
        if found.record is None or refusal(found, owner) is not None:
            continue
        told = await told_of(use, found.record, dialect)
        said, _ = await said_so_far(use.log, generation_id)
        items |= {item["id"]: item for item in dialect.references.items(dialect.answer(told.subject, said))}
    return dialect.references.resolved(fields, {name: items[name] for name in named if name in items})
