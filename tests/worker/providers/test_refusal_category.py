"""Why a filter refused an answer: the first category that did, and none where none did."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.refusal_category import blocking_category, filtered_category

FINE = {"filtered": False, "severity": "safe"}
HATE = {"sexual": FINE, "hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": True}}


@pytest.mark.parametrize(
    ("results", "category"),
    [
        (HATE, "hate"),
        ({"hate": FINE}, None),
        ({"error": {"code": "content_filter_error"}, "jailbreak": {"detected": True, "filtered": True}}, "jailbreak"),
        ({"hate": True, "violence": {"filtered": "true"}}, None),
        # Of Responses: one for the prompt, one for the answer.
        ([{"content_filter_results": {"hate": FINE}}, {"content_filter_results": HATE}], "hate"),
        ([{"content_filter_results": None}, 1], None),
        (None, None),
        ("hate", None),
    ],
)  # fmt: skip
def test_azures_filter(results: Any, category: str | None) -> None:
    assert filtered_category(results) == category


@pytest.mark.parametrize(
    ("ratings", "category"),
    [
        ([{"category": "A", "probability": "HIGH"}, {"category": "B", "blocked": True}], "B"),
        ([{"category": "A", "blocked": False}], None),
        ([{"blocked": True}, 1], None),
        (None, None),
        ({"category": "A", "blocked": True}, None),
    ],
)
def test_geminis_ratings(ratings: Any, category: str | None) -> None:
    assert blocking_category(ratings) == category
