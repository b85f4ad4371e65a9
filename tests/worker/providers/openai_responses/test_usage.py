"""Counts of Responses: all or none is believed, and what has no place in ours is kept."""

from __future__ import annotations

import pytest

from shared.log.events import Usage
from worker.providers.openai_responses.usage import read_usage, unmapped_counts


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        (None, None),
        ({}, Usage(0, 0)),
        ({"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}, Usage(9, 4)),
        (
            {
                "input_tokens": 9, "output_tokens": 4, "total_tokens": 13,
                "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(9, 4, 6, 2, 3),
        ),
        # By its total, reasoning is not within the output.
        ({"input_tokens": 9, "output_tokens": 4, "total_tokens": 16, "output_tokens_details": {"reasoning_tokens": 3}},
         Usage(9, 7, 0, 0, 3)),
        # Sound is told apart, where there is any.
        (
            {
                "input_tokens": 9, "output_tokens": 4,
                "input_tokens_details": {"audio_tokens": 5}, "output_tokens_details": {"audio_tokens": 2},
            },
            Usage(9, 4, audio_input_tokens=5, audio_output_tokens=2),
        ),
        ({"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"audio_tokens": 0}}, Usage(9, 4)),
        ({"input_tokens": -9, "output_tokens": 4}, None),
        ({"output_tokens_details": {"reasoning_tokens": "many"}}, None),
        ([], None),
        ("many", None),
    ],
)  # fmt: skip
def test_usage(counted: object, usage: Usage | None) -> None:
    assert read_usage(counted) == usage


@pytest.mark.parametrize(
    ("counted", "usage"),
    [({"prompt_tokens": 5, "completion_tokens": 2}, Usage(5, 2)), ({"prompt_tokens": 2.5}, None), (False, None)],
)
def test_counts_as_chat_names_them(counted: object, usage: Usage | None) -> None:
    assert read_usage(counted) == usage
    assert unmapped_counts(counted) == {}
