"""Prices: what a provider charges for tokens, from genai-prices' data (offline) and the operator's own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.config.settings import PriceSettings, Settings
from shared.log.events import Cost, Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

CURRENCY = "USD"
COST_STEP = Decimal("1e-12")
"""Amounts are rounded to this, half to even. It is exact for prices with up to 6 decimals for a million tokens."""
DECIMAL_DIGITS = 60
"""Digits of the arithmetic: more than any product of a price and a count has."""
HOUR_FACTOR = 2
"""Prices of input that writing to the cache of an hour costs, where it has no price of its own (Anthropic's
documentation, "Prompt caching": 1.25 for that of five minutes, 2 for that of an hour)."""
MAX_REMEMBERED_MODELS = 1000


class Prices:
    """Finds an endpoint's prices by its address, which says who charges. An unknown endpoint has no price.

    The data is loaded at once (0.2 s), and not at all where only the simulator, which charges nothing, can be asked.
    """

    def __init__(self, settings: Settings) -> None:
        endpoints = settings.endpoints()
        free = PriceSettings(input=Decimal(0), output=Decimal(0))
        simulated = {name for name, entry in endpoints.items() if _within(settings.simulator_url, entry.base_url)}
        self._own = {f"{name}/*": free for name in simulated} | settings.prices
        self._known: DataSnapshot | None = None
        self._vendors: dict[str, Provider] = {}
        self._find = lru_cache(MAX_REMEMBERED_MODELS)(self._search)
        if endpoints.keys() - simulated:
            from genai_prices.data_snapshot import get_snapshot

            self._known = get_snapshot()
            for name in endpoints.keys() - simulated:
                with suppress(LookupError):
                    self._vendors[name] = self._known.find_provider(None, None, endpoints[name].address)

    def _search(self, provider: str, model: str) -> ModelInfo | None:
        """Returns a model's entry in the data, whose own look-up remembers each name for ever: callers invent names."""
        assert self._known is not None
        return self._vendors[provider].find_model(model, all_providers=self._known.providers)

    def cost(self, provider: str, models: Iterable[str | None], usage: Usage, at_ms: int) -> Cost | None:
        """Returns what this usage costs at this time (ms since the epoch); None where the price is unknown.

        `models` are the model's names, the surest first: what the provider calls it, then what it was asked for as.
        """
        names = [name for name in models if name]
        with localcontext(prec=DECIMAL_DIGITS):
            for name in [*names, "*"]:
                if (price := self._own.get(f"{provider}/{name}")) is not None:
                    return _cost(_charge(price, usage))
            for name in names:
                if (amount := self._listed(provider, name, usage, at_ms)) is not None:
                    return _cost(amount)
        return None

    def _listed(self, provider: str, model: str, usage: Usage, at_ms: int) -> Decimal | None:
        if provider not in self._vendors or (found := self._find(provider, model)) is None:
            return None
        from genai_prices import Usage as Counts

        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        try:
            # Its counts include as ours do: cached ones are input, reasoning is output.
            counts = Counts(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                output_reasoning_tokens=usage.reasoning_tokens,
            )
            if hour := usage.cache_write_1h_tokens or 0:
                counts.cache_write_1h_tokens = hour
            priced = found.calc_price(counts, self._vendors[provider], genai_request_timestamp=at)
            if hour and priced.model_price.cache_write_1h_mtok is None:
                # It would be taken for one of five minutes: each token of it counts as two of input.
                counts.cache_write_1h_tokens = None
                counts.cache_write_tokens = usage.cache_write_tokens - hour
                counts.input_tokens = usage.input_tokens - hour + HOUR_FACTOR * hour
                priced = found.calc_price(counts, self._vendors[provider], genai_request_timestamp=at)
            return priced.total_price
        except (LookupError, ValueError):
            return None  # not in the list; or counts that contradict each other


def _charge(price: PriceSettings, usage: Usage) -> Decimal | None:
    fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    hour = usage.cache_write_1h_tokens or 0
    if min(fresh, usage.output_tokens, usage.cache_write_tokens - hour) < 0:
        return None  # they contradict each other
    cached = price.input if price.cached is None else price.cached
    cache_write = price.input if price.cache_write is None else price.cache_write
    cache_write_1h = HOUR_FACTOR * price.input if price.cache_write_1h is None else price.cache_write_1h
    return (
        fresh * price.input
        + usage.cached_tokens * cached
        + (usage.cache_write_tokens - hour) * cache_write
        + hour * cache_write_1h
        + usage.output_tokens * price.output
    ).scaleb(-6)


def _cost(amount: Decimal | None) -> Cost | None:
    return None if amount is None else Cost(f"{amount.quantize(COST_STEP).normalize():f}", CURRENCY)


def _within(root: str | None, address: str | None) -> bool:
    return bool(root and address and (address == root or address.startswith(f"{root}/")))
