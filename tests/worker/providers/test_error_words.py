"""Codes are compared whatever their spelling."""

from __future__ import annotations

import pytest

from worker.providers.error_words import NARROWER, USED_UP, VAGUE_STATUSES, WORDS, folded


@pytest.mark.parametrize(
    "spellings",
    [
        ("rate_limit_error", "RateLimitError", "RATE_LIMIT", "rate-limit", "Rate.Limit"),
        ("not_found_error", "NOT_FOUND", "NotFoundError"),
        ("overloaded_error", "overloaded", "OVERLOADED"),
        ("context_length_exceeded", "ContextLengthExceeded", "context-length-exceeded"),
        ("invalid_api_key", "InvalidApiKey", "INVALID_API_KEY", "invalid-api-key"),
    ],
)
def test_spellings_are_one(spellings: tuple[str, ...]) -> None:
    assert len({folded(word) for word in spellings}) == 1
    assert folded(spellings[0]) in WORDS


def test_words_are_told_apart() -> None:
    assert folded("rate_limit_error") != folded("rate_limit_exceeded")
    assert folded("not_found") != folded("model_not_found")
    assert folded("error") == ""


def test_no_word_of_the_tables_says_nothing() -> None:
    assert "" not in {*WORDS, *NARROWER, *USED_UP}


def test_a_number_is_no_word() -> None:
    """Numbers mean something else at each provider, so that they are of no use without it."""
    assert [word for word in WORDS if word.isdecimal()] == []
    assert VAGUE_STATUSES
