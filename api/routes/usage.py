"""What an owner's generations have used."""

import re
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.access.api_keys import Owner
from api.problems.problem import FieldError, ProblemError, documented, unprocessable
from api.schemas.no_store import no_store
from api.schemas.usage import UsageTotals, answer
from api.services import Use
from shared.usage import MAX_DAYS, By, Total, Totals

router = APIRouter(prefix="/v1/usage", tags=["usage"], dependencies=[no_store])

DEFAULT_SPAN_DAYS = 30
"""Days that are counted where the caller names no first one."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FORMAT: dict[str, Any] = {"format": "date"}


@router.head("", include_in_schema=False)
@router.get("", response_model=UsageTotals, responses=documented(401, 422, 503))
async def usage(
    owner: Owner,
    use: Use,
    first: Annotated[
        str | None,
        Query(
            alias="from", description="First day, in UTC. Defaults to 29 days before `to`.", json_schema_extra=_FORMAT
        ),
    ] = None,
    last: Annotated[
        str | None,
        Query(alias="to", description="Last day, included. Defaults to today.", json_schema_extra=_FORMAT),
    ] = None,
    by: Annotated[By, Query(description="What to tell apart.")] = "model",
) -> UsageTotals:
    """Your generations, tokens and cost, by day or by model. What ended in the last seconds may not be counted yet."""
    totals = Totals(use.generations.queue.redis)
    until = await totals.today() if last is None else _day("to", last)
    earliest = until - min(timedelta(days=DEFAULT_SPAN_DAYS - 1), until - date.min)
    since = earliest if first is None else _day("from", first)
    if since > until:
        raise _wrong("from", "must not be after `to`")
    if (until - since).days >= MAX_DAYS:
        raise _wrong("from", f"must be less than {MAX_DAYS} days before `to`; ask for less at a time")
    found = await totals.read(owner, since, until, by)
    every = Total()
    for total in found.values():
        every.counts.update(total.counts)  # and no `+`, which would drop a cost of 0
    return UsageTotals(
        first=since.isoformat(),
        last=until.isoformat(),
        by=by,
        data=[answer(total, **{by: name}) for name, total in found.items()],
        total=answer(every),
    )


def _day(name: str, text: str) -> date:
    try:
        # It takes more forms than the one that we tell of.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise _wrong(name, "must be a day as YYYY-MM-DD") from None


def _wrong(name: str, message: str) -> ProblemError:
    return unprocessable([FieldError(pointer=name, message=message)])
