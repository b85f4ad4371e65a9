"""Totals as they are answered: amounts are exact decimals, and what is missing from them is said."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from api.schemas.usage import EndsAnswer, UsageTotals, answer
from shared.usage import TOKEN_COUNTERS, Total


def counted(**counts: int) -> Total:
    return Total(Counter({name.replace("_usd", ":USD").replace("_eur", ":EUR"): n for name, n in counts.items()}))


def test_nothing_counted_is_zeros_and_no_cost() -> None:
    told = answer(Total())
    assert set(told.generations.model_dump().values()) == set(told.usage.model_dump().values()) == {0}
    assert (told.cost, told.estimated, told.unpriced) == ([], [], 0)
    assert (told.day, told.model) == (None, None)


def test_each_counter_has_its_place() -> None:
    names = [*EndsAnswer.model_fields, *TOKEN_COUNTERS]
    told = answer(counted(**{name: place + 1 for place, name in enumerate(names)}), model="p/m").model_dump()
    assert told["model"] == "p/m"
    assert [(told["generations"] | told["usage"])[name] for name in names] == list(range(1, len(names) + 1))


@pytest.mark.parametrize(
    ("parts", "amount"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (97_125_000_000, "0.097125"),
        (500_000_000_000, "0.5"),
        (20_000_000_000_000, "20"),
        (9_223_372_036_854_775_807, "9223372.036854775807"),
    ],
)
def test_an_amount_is_exact_without_exponent_and_without_zeros_at_its_end(parts: int, amount: str) -> None:
    (cost,) = answer(counted(cost_usd=parts)).cost
    assert (cost.amount, cost.currency, cost.at_least) == (amount, "USD", False)


@pytest.mark.parametrize("missing", ["unpriced", "partly"])
def test_a_cost_from_which_something_is_missing_says_so_and_an_estimate_never_does(missing: str) -> None:
    told = answer(counted(cost_usd=1, cost_eur=1, estimate_usd=1, **{missing: 1}))
    assert [(cost.currency, cost.at_least) for cost in told.cost] == [("EUR", True), ("USD", True)]
    assert [cost.at_least for cost in told.estimated] == [False]
    assert "at_least" not in told.model_dump()["estimated"][0]
    assert told.unpriced == int(missing == "unpriced")


def test_the_page_names_its_days_as_the_question_does() -> None:
    totals = UsageTotals(first="2026-01-01", last="2026-01-31", by="day", data=[], total=answer(Total()))
    assert {"from", "to"} <= totals.model_dump(by_alias=True).keys()
    with pytest.raises(ValidationError):
        UsageTotals(first="2026-01-01", last="2026-01-31", by="hour", data=[], total=answer(Total()))  # type: ignore[arg-type]
