"""What tokens cost: whose price, which tokens at which, and not a digit lost."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from genai_prices import Usage as Counts
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from shared.config.settings import PriceSettings, Settings
from shared.log.events import Cost, Usage
from tests.harness.repository import ROOT
from worker.billing.prices import MAX_REMEMBERED_MODELS, Prices

NOW = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
USAGE = Usage(
    input_tokens=1_000, output_tokens=500, cached_tokens=300, cache_write_tokens=100, reasoning_tokens=400
)  # fmt: skip
OPENAI = {"openai": {"protocol": "openai-chat"}}


def prices(providers: dict[str, Any] | None = None, **own: Any) -> Prices:
    return Prices(Settings.model_validate({"providers": OPENAI if providers is None else providers, "prices": own}))


def amount(cost: Cost | None) -> Decimal:
    assert cost is not None
    assert cost.currency == "USD"
    return Decimal(cost.amount)


@pytest.mark.parametrize(
    ("provider", "entry", "model", "expected"),
    [
        # 300 read from a cache, 100 written to it where that has a price, 600 or 700 other input, 500 of output.
        ("openai", {"protocol": "openai-chat"}, "gpt-5-mini", "0.0011825"),
        ("anthropic", {"protocol": "anthropic"}, "claude-haiku-4-5", "0.003255"),
        ("gemini", {"protocol": "gemini"}, "gemini-2.5-flash", "0.001469"),
        ("groq", {"preset": "groq"}, "openai/gpt-oss-120b", "0.0004275"),
        ("mine", {"protocol": "openai-chat", "base_url": "https://api.deepseek.com/v1"}, "deepseek-chat", None),
    ],
)
def test_the_address_says_whose_price(provider: str, entry: dict[str, Any], model: str, expected: str | None) -> None:
    known = prices({provider: entry})
    got = amount(known.cost(provider, [model], USAGE, NOW))
    assert got == Decimal(expected) if expected else got > 0


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("http://127.0.0.1:4000/v1", "gpt-5-mini"),
        ("https://crazyrouter.com/v1", "gpt-5-mini"),
        (None, "gpt-unheard-of"),
    ],
)
def test_what_nobody_knows_has_no_price(base_url: str | None, model: str) -> None:
    known = prices({"openai": {"protocol": "openai-chat", "base_url": base_url}})
    assert known.cost("openai", [model], USAGE, NOW) is None


def test_the_sdks_own_variable_leads_elsewhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert prices({"x": {"protocol": "openai-chat"}}).cost("x", ["gpt-5-mini"], USAGE, NOW) is None


def test_the_name_that_the_provider_gives_comes_first() -> None:
    known = prices()
    dear, cheap = "gpt-5-2025-08-07", "gpt-5-mini"
    assert known.cost("openai", [dear, cheap], USAGE, NOW) == known.cost("openai", ["gpt-5"], USAGE, NOW)
    assert known.cost("openai", ["my-deployment", cheap], USAGE, NOW) == known.cost("openai", [cheap], USAGE, NOW)
    assert known.cost("openai", [None, cheap], USAGE, NOW) == known.cost("openai", [cheap], USAGE, NOW)


def test_a_price_is_that_of_its_time() -> None:
    known = prices()
    before, after = (int(datetime(2025, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (5, 7))
    assert amount(known.cost("openai", ["o3"], Usage(output_tokens=1_000_000), before)) == 40
    assert amount(known.cost("openai", ["o3"], Usage(output_tokens=1_000_000), after)) == 8


def test_a_price_of_ones_own_wins_the_nearest_first() -> None:
    own = {
        "openai/gpt-5-mini": {"input": "1", "output": "0"},
        "openai/*": {"input": "0", "output": "0"},
        "home/*": {"input": 0, "output": 0},
    }
    known = prices(OPENAI | {"home": {"protocol": "openai-chat", "base_url": "http://127.0.0.1:9/v1"}}, **own)
    assert known.cost("openai", ["gpt-5-mini-2025-08-07", "gpt-5-mini"], USAGE, NOW) == Cost("0.001")
    assert known.cost("openai", ["gpt-5"], USAGE, NOW) == Cost("0")
    assert known.cost("home", ["qwen3"], USAGE, NOW) == Cost("0")


def test_counts_that_contradict_each_other_have_no_price() -> None:
    wrong = Usage(input_tokens=1, cached_tokens=2)
    assert prices().cost("openai", ["gpt-5-mini"], wrong, NOW) is None
    assert prices(**{"openai/*": {"input": "1", "output": "1"}}).cost("openai", ["x"], wrong, NOW) is None


TOKENS = st.integers(min_value=0, max_value=10_000_000)
PRICE = st.decimals(min_value=0, max_value=1000, places=6)
LISTED = prices()
SAME = prices(**{"openai/same": {"input": "0.25", "output": "2", "cached": "0.025"}})


@given(fresh=TOKENS, cached=TOKENS, written=TOKENS, output=TOKENS, price=st.tuples(PRICE, PRICE, PRICE, PRICE))
def test_no_digit_is_lost(
    fresh: int, cached: int, written: int, output: int, price: tuple[Decimal, Decimal, Decimal, Decimal]
) -> None:
    usage = Usage(
        input_tokens=fresh + cached + written, output_tokens=output, cached_tokens=cached, cache_write_tokens=written
    )  # fmt: skip
    own = PriceSettings(input=price[0], output=price[1], cached=price[2], cache_write=price[3])
    known = Prices(Settings(simulator_url="http://127.0.0.1:9", prices={"simulator/x": own}))
    exact = sum(
        Fraction(one) * count for one, count in zip(price, (fresh, output, cached, written), strict=True)
    ) / Fraction(1_000_000)
    cost = known.cost("simulator", ["x"], usage, NOW)
    assert Fraction(amount(cost)) == exact
    assert cost is not None
    assert "E" not in cost.amount
    # And the list's price, which comes another way, is the same for the same prices.
    assert SAME.cost("openai", ["same"], usage, NOW) == LISTED.cost("openai", ["gpt-5-mini"], usage, NOW)


def test_the_simulator_is_free_and_needs_no_list() -> None:
    script = (
        "import sys; from shared.log.events import Usage; from shared.config.settings import Settings; "
        "from worker.billing.prices import Prices; known = Prices(Settings(simulator_url='http://127.0.0.1:9')); "
        "print([known.cost(f'simulator{kind}', ['lorem?deltas=3'], Usage(output_tokens=3), 0).amount "
        "for kind in ('', '-anthropic', '-gemini')], 'genai_prices' in sys.modules)"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "['0', '0', '0'] False", done.stderr


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("gpt-5-mini", {"input": 1, "output": 1}),
        ("a/b", {"input": -1, "output": 1}),
        ("a/b", {"input": "NaN", "output": 1}),
    ],
)
def test_wrong_prices_are_refused(name: str, price: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="prices"):
        Settings.model_validate({"prices": {name: price}})


def test_names_that_callers_invent_are_not_remembered_for_ever() -> None:
    known = prices()
    snapshot = get_snapshot()
    before = len(snapshot._lookup_cache) + len(snapshot._provider_cache) + len(snapshot._provider_misses)
    for number in range(2 * MAX_REMEMBERED_MODELS):
        known.cost("openai", [f"gpt-5-mini-2026-{number}", f"invented-{number}"], USAGE, NOW)
    assert len(snapshot._lookup_cache) + len(snapshot._provider_cache) + len(snapshot._provider_misses) == before
    assert known._find.cache_info().currsize == MAX_REMEMBERED_MODELS
    at = datetime.fromtimestamp(NOW / 1000, UTC)
    counts = Counts(input_tokens=1_000, output_tokens=500)
    expected = snapshot.calc(counts, "gpt-5-mini", "openai", None, at).total_price
    got = known.cost("openai", ["gpt-5-mini"], Usage(input_tokens=1_000, output_tokens=500), NOW)
    assert amount(got) == expected


WRITTEN = Usage(input_tokens=1_000, cache_write_tokens=1_000, cache_write_5m_tokens=400, cache_write_1h_tokens=600)
ANTHROPIC = {"anthropic": {"protocol": "anthropic"}}
VERTEX = {"vertex": {"protocol": "anthropic", "base_url": "https://aiplatform.googleapis.com/v1"}}


@pytest.mark.parametrize(
    ("providers", "model", "expected"),
    [
        # 3 USD of input: 3.75 for five minutes, and 6 for an hour, also where the list has no price of that.
        (ANTHROPIC, "anthropic/claude-sonnet-4-5", "0.0051"),
        (VERTEX, "vertex/claude-3-7-sonnet", "0.0051"),
    ],
)
def test_the_cache_of_an_hour_costs_more(providers: dict[str, Any], model: str, expected: str) -> None:
    known, (provider, name) = prices(providers), model.split("/")
    assert amount(known.cost(provider, [name], WRITTEN, NOW)) == Decimal(expected)
    without = Usage(input_tokens=1_000, cache_write_tokens=1_000)
    assert amount(known.cost(provider, [name], without, NOW)) == Decimal("0.00375")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"cache_write": "3.75", "cache_write_1h": "5"}, "0.0045"),
        ({"cache_write": "3.75"}, "0.0051"),
        ({}, "0.0048"),
    ],
)
def test_a_price_of_ones_own_for_the_cache_of_an_hour(own: dict[str, str], expected: str) -> None:
    known = prices(ANTHROPIC, **{"anthropic/x": {"input": "3", "output": "15", **own}})
    assert amount(known.cost("anthropic", ["x"], WRITTEN, NOW)) == Decimal(expected)
    wrong = Usage(input_tokens=1_000, cache_write_tokens=500, cache_write_1h_tokens=600)
    assert known.cost("anthropic", ["x"], wrong, NOW) is None
