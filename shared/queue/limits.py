"""What one owner may have announced: the limits that the announcement looks at, and how an owner stands after it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

from shared.config.owner_settings import OwnerLimits
from shared.storage.keys import announced_key, line_key, rate_key, usage_key
from shared.storage.lua_script import Argument
from shared.usage import COST_DIGITS

MINUTE_S = 60
"""Seconds in which as many requests leak out of an owner's rate as it may send in them."""
NO_LIMITS = OwnerLimits(None, None, None, None, None, 1.0, None, True)

_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).date()


class Announced(StrEnum):
    """What became of an announcement."""

    NEW = "NEW"
    BEFORE = "BEFORE"
    """The pending index has it already."""
    REFUSED = "REFUSED"


class Refusal(StrEnum):
    """Why a generation was not announced."""

    PENDING = "PENDING"
    """As many generations of all owners wait or run as may."""
    QUEUED = "QUEUED"
    """As many of the owner's wait as may."""
    RATE = "RATE"
    """As many requests of the owner came within a minute as may."""
    BUDGET = "BUDGET"
    """The owner's generations of today have cost what they may."""


class Announcement(NamedTuple):
    """What became of an announcement, and how the owner stands after it."""

    outcome: Announced
    refusals: tuple[Refusal, ...] = ()
    now_ms: int = 0
    """Redis' clock."""
    waiting: int | None = None
    """The owner's generations that wait; None where they are not bounded."""
    level: float | None = None
    """Its requests that count still; None where they are not bounded."""

    @classmethod
    def read(cls, raw: list[bytes]) -> Self:
        """Reads what announce.lua answers."""
        outcome, now_ms, waiting, level, *refusals = (field.decode() for field in raw)
        return cls(
            Announced(outcome),
            tuple(map(Refusal, refusals)),
            int(now_ms),
            int(waiting) if waiting else None,
            float(level) if level else None,
        )


def keys_and_arguments(owner: str, limits: OwnerLimits) -> tuple[list[str], list[Argument]]:
    """Returns what announce.lua gets for an owner's limits.

    Which day it is, Redis' clock says: it may be a day before or after ours.
    """
    keys = [line_key(owner), announced_key(owner), rate_key(owner)]
    arguments: list[Argument] = [_or_none(limits.max_queued), _or_none(limits.requests_per_minute)]
    if limits.cost_per_day is None:
        return keys, [*arguments, "", 0]
    first = datetime.now(UTC).date() - timedelta(days=1)
    days = [usage_key(owner, first + timedelta(days=days)) for days in range(3)]
    budget = int(Decimal(str(limits.cost_per_day)).scaleb(COST_DIGITS))
    return keys + days, [*arguments, budget, (first - _EPOCH_DAY).days]


def _or_none(most: int | None) -> Argument:
    return "" if most is None else most
