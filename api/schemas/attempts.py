"""What is answered of attempts: why each was made, what it used, and which model gave what stands."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, Field

from shared.log.events import AttemptReason, Completed, Cost, Spent, Usage
from shared.log.snapshots import AttemptLine, Snapshot


def is_none(value: object) -> bool:
    """Says whether a field is left out."""
    return value is None


class UsageAnswer(BaseModel):
    """Tokens. `input_tokens` includes cached ones, `output_tokens` reasoning. Those with a default may be absent."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_input_tokens: int | None = Field(default=None, exclude_if=is_none, description="Sound, of the input.")
    audio_output_tokens: int | None = Field(default=None, exclude_if=is_none, description="Sound, of the output.")
    cache_write_5m_tokens: int | None = Field(
        default=None, exclude_if=is_none, description="Of `cache_write_tokens`, those kept for 5 minutes."
    )
    cache_write_1h_tokens: int | None = Field(
        default=None, exclude_if=is_none, description="Of `cache_write_tokens`, those kept for an hour."
    )
    server_tool_calls: dict[str, int] | None = Field(
        default=None,
        exclude_if=is_none,
        description="Calls of the provider's own tools, by its name for them, such as `web_search_requests`.",
    )


class CostAnswer(BaseModel):
    """What the provider charges, as a decimal string."""

    amount: str
    currency: str
    at_least: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="True where something is missing from it: tokens that nobody counted, or a price. Else absent.",
    )


class AttemptAnswer(BaseModel):
    """One attempt: why it was made, and what it used."""

    number: int
    reason: AttemptReason
    model: str = Field(description="`provider/model`, as it was asked.")
    provider: str
    continues: bool
    cached: bool = Field(default=False, description="Whether it copies another generation's answer.")
    usage: UsageAnswer | None = Field(
        description="What it used; null where nothing is known of that, and where it is in a later attempt's, which "
        "went on with the same call of the provider."
    )
    cost: CostAnswer | None = Field(description="What that costs. Null before the end, and where no price is known.")
    estimated: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="True where nobody counted: a guess from the length of what was asked and said, not in the sums.",
    )


def attempts_of(said: Snapshot) -> list[dict[str, Any]]:
    """Returns the fields of AttemptAnswer of each, in order."""
    lines = _by_number(_spent(said), said.attempts)
    found_again = {before.number for before, attempt in pairwise(said.attempts) if attempt.found_again}
    told: list[dict[str, Any]] = []
    for attempt in said.attempts:
        line = lines.get(attempt.number)
        usage = None if attempt.number in found_again else attempt.usage
        cost = Cost("0") if attempt.cached and said.end is not None else None
        estimated = False
        if line is not None:
            usage, cost, estimated = line.usage, line.cost, line.estimated is True
        told.append(
            {
                "number": attempt.number,
                "reason": attempt.reason,
                "model": attempt.model,
                "provider": attempt.provider,
                "continues": attempt.continues,
                "cached": attempt.cached,
                "usage": msgspec.to_builtins(usage),
                "cost": msgspec.to_builtins(cost),
                "estimated": estimated,
            }
        )
    return told


def usage_of(said: Snapshot) -> Usage | None:
    """Returns what all attempts used, as far as it was counted."""
    return (said.end.all_usage if said.end is not None else None) or said.counted


def answered_by(said: Snapshot) -> str | None:
    """Returns `provider/model` of what stands; None where nothing was said."""
    if not said.attempts or not (said.parts or isinstance(said.end, Completed)):
        return None
    return said.attempts[-1].model


def _spent(said: Snapshot) -> Sequence[Spent]:
    """Returns all that was paid; an end does not repeat it where that is its own usage and cost."""
    end, last = said.end, said.attempts[-1] if said.attempts else None
    if end is None:
        return ()
    if end.spent is not UNSET:
        return end.spent
    if end.usage is None or last is None or last.cached:
        return ()
    return (Spent(last.model, end.usage, end.cost, attempt=last.number),)


def _by_number(spent: Sequence[Spent], attempts: Sequence[AttemptLine]) -> dict[int, Spent]:
    """Returns what was paid by attempt. Earlier versions said its model only: there it is the next that asked that."""
    lines: dict[int, Spent] = {}
    asked = iter([attempt for attempt in attempts if not attempt.cached])
    for line in spent:
        if line.attempt is not UNSET:
            lines[line.attempt] = line
        elif (attempt := next((one for one in asked if one.model == line.model), None)) is not None:
            lines[attempt.number] = line
    return lines
