"""What `GET /v1/usage` answers, as OpenAPI describes it."""

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.attempts import CostAnswer, UsageAnswer
from shared.usage import TOKEN_COUNTERS, By, Total

_TOTAL_EXAMPLE: dict[str, Any] = {
    "day": None,
    "model": None,
    "owner": None,
    "generations": {"completed": 41, "failed": 1, "cancelled": 2, "deleted": 0, "cached": 0},
    "usage": {
        "input_tokens": 120_500,
        "output_tokens": 38_000,
        "cached_tokens": 40_000,
        "cache_write_tokens": 0,
        "reasoning_tokens": 9_000,
    },
    "cost": [{"amount": "0.097125", "currency": "USD", "at_least": True}],
    "unpriced": 1,
    "estimated": [{"amount": "0.0012", "currency": "USD"}],
    "mean_time_to_first_token_ms": 843.2,
    "mean_tokens_per_second": 61.8,
}


class EndsAnswer(BaseModel):
    """Generations by how they ended."""

    completed: int = Field(description="Replayed ones included.")
    failed: int
    cancelled: int
    deleted: int = Field(description="Deleted while they ran.")
    cached: int = Field(description="Of the completed ones, those replayed from another's log, which used no tokens.")


class TotalAnswer(BaseModel):
    """What was counted; with it, a day, a model or an owner where it is the total of one."""

    day: str | None = Field(default=None, description="ISO 8601, UTC: the day of the end. Null unless `by` is `day`.")
    model: str | None = Field(
        default=None,
        description="`provider/model` as it was asked for, without parameters; `other` for what came after 200 of a "
        "day. Null unless `by` is `model`.",
    )
    owner: str | None = Field(default=None, description="Null but in `owners`.")
    generations: EndsAnswer
    usage: UsageAnswer = Field(description="Tokens of all attempts.")
    cost: list[CostAnswer] = Field(description="What is known of it, by currency; see `unpriced`.")
    unpriced: int = Field(description="Attempts whose cost is not in `cost`: no price is known, or no count of tokens.")
    estimated: list[CostAnswer] = Field(
        description="What those of them may have cost that have a price, from the length of what was asked and said."
    )
    mean_time_to_first_token_ms: float | None = Field(
        description="Of the completed ones that were no replays: from a generation's acceptance to the first delta of "
        "its answer. Null where none is known."
    )
    mean_tokens_per_second: float | None = Field(
        description="Of the same: all output tokens over all the time in which they came. Null where none is known."
    )


class UsageTotals(BaseModel):
    """Usage from one day to another, both included: yours, or with `owner` that of another, or of all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "from": "2026-01-01",
                    "to": "2026-01-31",
                    "by": "model",
                    "data": [_TOTAL_EXAMPLE | {"model": "openai/gpt-5-mini"}],
                    "total": _TOTAL_EXAMPLE,
                }
            ]
        }
    )

    first: str = Field(serialization_alias="from", description="ISO 8601.")
    last: str = Field(serialization_alias="to", description="ISO 8601.")
    by: By
    data: list[TotalAnswer] = Field(description="In order; a day or a model without any is left out.")
    total: TotalAnswer
    owners: list[TotalAnswer] | None = Field(
        default=None, description="With `owner=*` the total of each owner who has any, by name; else null."
    )


_SELDOM = frozenset(name for name, field in UsageAnswer.model_fields.items() if not field.is_required())
"""Counts that are left out where there is nothing to count."""


def answer(counted: Total, **of: str) -> TotalAnswer:
    """Returns what was counted of a day or a model."""
    counts = counted.counts
    return TotalAnswer(
        **of,
        generations=EndsAnswer(**{name: counts[name] for name in EndsAnswer.model_fields}),
        usage=UsageAnswer.model_validate(
            {name: counts[name] for name in TOKEN_COUNTERS if counts[name] or name not in _SELDOM}
        ),
        cost=_amounts(counted.costs, at_least=counted.is_partial),
        unpriced=counts["unpriced"],
        estimated=_amounts(counted.estimates, at_least=False),
        mean_time_to_first_token_ms=counted.mean_first_token_ms,
        mean_tokens_per_second=counted.mean_tokens_per_second,
    )


def _amounts(amounts: dict[str, Decimal], *, at_least: bool) -> list[CostAnswer]:
    return [
        CostAnswer(amount=f"{amount.normalize():f}", currency=currency, at_least=at_least)
        for currency, amount in amounts.items()
    ]
