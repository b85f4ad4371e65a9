"""Token counts of Chat Completions: by the rules of each who counts otherwise, and kept whole where they say more."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Usage
from worker.providers.openai_chat.usage import read


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 3},
            Usage(9, 2, 6),
            id="DeepSeek",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, 0, 0, 5),
            id="reasoning beside the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, 0, 0, 5),
            id="reasoning in the completion",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 3},
            },
            Usage(9, 1, 4, 3),
            id="LiteLLM",
        ),
        pytest.param(
            {"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10},
            Usage(19, 21, 10),
            id="Moonshot",
        ),
        pytest.param(
            {
                "prompt_tokens": 5,
                "completion_tokens": 9,
                "total_tokens": 14,
                "prompt_tokens_details": None,
                "reasoning_tokens": 6,
            },
            Usage(5, 9, 0, 0, 6),
            id="SGLang",
        ),
        pytest.param({"input_tokens": 5, "output_tokens": 9}, Usage(5, 9), id="the names of Responses"),
    ],
)
def test_inclusion_rules_of_usage(counted: dict[str, Any], expected: Usage) -> None:
    assert read(counted) == (expected, {})


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        ({}, Usage(0, 0)),
        ({"prompt_tokens": None, "completion_tokens": 2}, Usage(0, 2)),
        # What OpenAI itself says wins over a field of others.
        ({"prompt_cache_hit_tokens": 6, "prompt_tokens_details": {"cached_tokens": 0}}, Usage(0, 0)),
        ({"prompt_tokens_details": {"cache_write_tokens": 0, "cache_creation_tokens": 5}}, Usage(0, 0)),
        ({"prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": 0}}, Usage(0, 0)),
        (
            {
                "prompt_tokens": 5,
                "input_tokens": 6,
                "reasoning_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 0, 0, 0, 2),
        ),
        # Without a sum nobody can tell that it was left out.
        ({"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 5}}, Usage(0, 2, 0, 0, 5)),
    ],
)
def test_what_is_missing_is_nothing(counted: dict[str, Any], expected: Usage) -> None:
    assert read(counted) == (expected, {})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"cost": 0.25}, True),
        ({"cost": 0}, False),
        ({"queue_time": None}, False),
        ({"prompt_tokens_details": {"audio_tokens": 1}}, False),
        ({"prompt_tokens_details": {"image_tokens": 1}}, True),
        ({"completion_tokens_details": {"audio_tokens": 0, "accepted_prediction_tokens": 0}}, False),
        ({"completion_tokens_details": {"accepted_prediction_tokens": 3}}, True),
    ],
)
def test_what_says_more_is_kept_whole(more: dict[str, Any], says: bool) -> None:
    counted = {"prompt_tokens": 3, "completion_tokens": 2, **more}
    usage, kept = read(counted)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (3, 2)
    assert kept == (counted if says else {})


@pytest.mark.parametrize("counted", [None, [], "many", {"prompt_tokens": "many"}, {"prompt_tokens": -1, "cost": 1}])
def test_what_counts_nothing_we_know_is_none(counted: Any) -> None:
    assert read(counted) == (None, {})


def test_sound_is_told_apart() -> None:
    counted = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"audio_tokens": 5},
        "completion_tokens_details": {"audio_tokens": 0},
    }
    assert read(counted) == (Usage(9, 4, audio_input_tokens=5), {})
    counted["completion_tokens_details"] = {"audio_tokens": 3}
    assert read(counted)[0] == Usage(9, 4, audio_input_tokens=5, audio_output_tokens=3)
