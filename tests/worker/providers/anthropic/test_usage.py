"""Token counts of Messages: cumulative, by our rules, and what else was counted is kept."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from shared.log.events import Usage
from worker.providers.anthropic.usage import Counted


def test_what_was_cached_is_input_too() -> None:
    counted = {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 5}
    assert Counted().add(counted) == Usage(45, 2, 30, 5)


def test_a_count_that_is_missing_has_not_changed() -> None:
    counted = Counted()
    assert counted.add({"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}) == Usage(14, 1, 4)
    assert counted.add({"output_tokens": 9}) == Usage(14, 9, 4)
    assert counted.add({"output_tokens": None, "input_tokens": 11}) == Usage(15, 9, 4)
    assert counted.add({}) == Usage(15, 9, 4)


@pytest.mark.parametrize(
    ("counted", "written", "kept_for"),
    [
        ({"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}, 7, (3, 4)),
        ({"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 3}}, 9, (3, 0)),
        ({"cache_creation_input_tokens": 0, "cache_creation": {"ephemeral_5m_input_tokens": 3}}, 0, None),
        ({"cache_creation": None}, 0, None),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}}, 0, None),
    ],
)
def test_what_was_written_to_the_cache_is_their_sum_or_the_sum_of_its_parts(
    counted: dict[str, Any], written: int, kept_for: tuple[int, int] | None
) -> None:
    five, hour = kept_for or (UNSET, UNSET)
    expected = Usage(1 + written, 0, 0, written, cache_write_5m_tokens=five, cache_write_1h_tokens=hour)
    assert Counted().add({"input_tokens": 1, **counted}) == expected


def test_thinking_is_within_the_output() -> None:
    counted = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}}
    assert Counted().add(counted) == Usage(0, 9, 0, 0, 6)


def test_once_a_count_cannot_be_no_later_one_is_believed() -> None:
    counted = Counted()
    assert counted.add({"input_tokens": -1}) is None
    assert counted.add({"input_tokens": 5, "output_tokens": 5}) is None


@pytest.mark.parametrize(
    ("counted", "rest"),
    [
        ({"input_tokens": 1, "output_tokens": 2}, {}),
        ({"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}}, {}),
        ({"server_tool_use": {"web_search_requests": "2"}}, {"server_tool_use": {"web_search_requests": "2"}}),
        ({"server_tool_use": {"web_search_requests": 0}}, {}),
        ({"server_tool_use": None, "service_tier": "standard", "inference_geo": "us"}, {}),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}}, {}),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}}, {}),
    ],
)
def test_what_else_was_counted_is_kept(counted: dict[str, Any], rest: dict[str, Any]) -> None:
    known = Counted()
    known.add(counted)
    known.add({"output_tokens": 3})
    assert known.unmapped() == rest
