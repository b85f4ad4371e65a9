"""How a generation is told in a dialect: by what name it is found, and what is known of it beforehand."""

from api.dialects.api_dialect import ApiDialect
from api.dialects.names import Named, read_name
from api.problems.problem import not_found
from api.services import ApiServices
from api.viewing.dialect import Subject, Telling
from shared.record import Asked, Record


def found(name: str, dialect: ApiDialect) -> Named:
    """Returns what a name in this dialect says. Raises ProblemError 404 where it is none."""
    named = read_name(name)
    if named is None or not name.startswith(dialect.prefix):
        raise not_found()
    return named


async def told_of(use: ApiServices, record: Record, dialect: ApiDialect) -> Telling:
    """Returns how a generation is told in a dialect. Raises redis.exceptions.RedisError."""
    asked = await use.generations.asked(record.id)
    return Telling(dialect.wire, subject_of(record.id, record.created_ms, asked, dialect, record))


def subject_of(
    generation_id: str, created_ms: int, asked: Asked, dialect: ApiDialect, record: Record | None = None
) -> Subject:
    """Returns what a dialect must know of a generation; what was asked in another says nothing of its echo."""
    model = asked.model or (record.model if record is not None else "")
    return Subject(
        generation_id, created_ms, model, asked.dialect, asked.echo if asked.dialect == dialect.wire.name else {}
    )
