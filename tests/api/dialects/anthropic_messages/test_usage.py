"""Counts as Anthropic has them."""

from __future__ import annotations

import pytest

from api.dialects.anthropic_messages.usage import usage_of
from shared.log.events import Usage

NOTHING = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}


def test_input_is_without_what_the_cache_had_or_got() -> None:
    usage = Usage(
        input_tokens=100,
        cached_tokens=30,
        cache_write_tokens=20,
        output_tokens=7,
        reasoning_tokens=4,
        cache_write_1h_tokens=20,
        server_tool_calls={"web_search_requests": 2, "code": 1},
    )
    assert usage_of(usage, "standard") == {
        "input_tokens": 50,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 30,
        "output_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20},
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0, "code": 1},
        "service_tier": "standard",
    }


def test_unknown_counts_are_zero_and_never_negative() -> None:
    assert usage_of(None) == NOTHING
    assert usage_of(Usage(cached_tokens=5))["input_tokens"] == 0


@pytest.mark.parametrize(
    ("tier", "expected"), [("default", "standard"), ("batch", "batch"), ("flex", None), ("", None)]
)
def test_tiers_of_others_have_anthropics_name_or_none(tier: str, expected: str | None) -> None:
    assert usage_of(None, tier).get("service_tier") == expected
