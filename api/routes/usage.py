"""What generations have used: one owner's, or for an admin all owners'."""

import re
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.access.caller import Scope
from api.access.callers import Asking, require
from api.problems.problem import FieldError, ProblemError, documented, unprocessable
from api.schemas.no_store import no_store
from api.schemas.usage import UsageTotals, answer
from api.services import Use
from shared.usage import MAX_DAYS, MAX_OWNERS_DAYS, By, Totals, added

router = APIRouter(prefix="/v1/usage", tags=["usage"], dependencies=[no_store])

DEFAULT_SPAN_DAYS = 30
"""Days that are counted where the caller names no first one."""

ALL = "*"
"""Stands for all owners: none has that name."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FORMAT: dict[str, Any] = {"format": "date"}


async def _whose(
    caller: Asking,
    owner: Annotated[
        str | None,
        Query(description="Another's usage, or `*` for that of all; for who has the scope `admin`.", min_length=1),
    ] = None,
) -> str:
    """Returns the owner who is asked for, or `*`; the caller itself where none is."""
    require(caller, Scope.READ if owner is None else Scope.ADMIN)
    return caller.owner if owner is None else owner


Whose = Annotated[str, Depends(_whose)]


@router.head("", include_in_schema=False)
@router.get("", response_model=UsageTotals, responses=documented(401, 403, 422, 503))
async def usage(
    owners: Whose,
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
    """Generations, tokens and cost, by day or by model. What ended in the last seconds may not be counted yet."""
    totals = Totals(use.generations.queue.redis)
    until = await totals.today() if last is None else _day("to", last)
    earliest = until - min(timedelta(days=DEFAULT_SPAN_DAYS - 1), until - date.min)
    since = earliest if first is None else _day("from", first)
    if since > until:
        raise _wrong("from", "must not be after `to`")
    days = (until - since).days + 1
    if days > MAX_DAYS:
        raise _wrong("from", f"must be less than {MAX_DAYS} days before `to`; ask for less at a time")
    names = await totals.owners() if owners == ALL else [owners]
    if days * len(names) > MAX_OWNERS_DAYS:
        most = max(1, MAX_OWNERS_DAYS // len(names))
        raise _wrong("from", f"must be less than {most} days before `to` for all {len(names)} owners; ask for less")
    found = {name: await totals.read(name, since, until, by) for name in names}
    keys = sorted({key for own in found.values() for key in own})
    data = {key: added(own[key] for own in found.values() if key in own) for key in keys}
    return UsageTotals(
        first=since.isoformat(),
        last=until.isoformat(),
        by=by,
        data=[answer(total, **{by: name}) for name, total in data.items()],
        total=answer(added(data.values())),
        owners=[answer(added(own.values()), owner=name) for name, own in found.items() if own]
        if owners == ALL
        else None,
    )


def _day(name: str, text: str) -> date:
    try:
        # It takes more forms than the one that we tell of.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise _wrong(name, "must be a day as YYYY-MM-DD") from None


def _wrong(name: str, message: str) -> ProblemError:
    return unprocessable([FieldError(pointer=name, message=message)])
