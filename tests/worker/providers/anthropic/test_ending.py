"""Why a Messages answer stopped: what is a field of ours, and what of it is kept."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.anthropic.ending import Ending

BIO: dict[str, Any] = {"type": "refusal", "category": "bio", "explanation": None}


@pytest.mark.parametrize(
    ("sequence", "details", "said", "rest"),
    [
        (None, None, (None, None), {}),
        ("END", None, ("END", None), {}),
        (7, None, (None, None), {"stop_sequence": 7}),
        (None, BIO, (None, "bio"), {}),
        (None, {"type": "refusal", "category": None}, (None, None), {}),
        (None, {**BIO, "explanation": "text"}, (None, "bio"), {"stop_details": {**BIO, "explanation": "text"}}),
        (None, {"type": "refusal", "category": 7}, (None, None), {"stop_details": {"type": "refusal", "category": 7}}),
        (None, "refused", (None, None), {"stop_details": "refused"}),
    ],
)
def test_what_is_said(sequence: Any, details: Any, said: tuple[str | None, str | None], rest: dict[str, Any]) -> None:
    ending = Ending()
    assert ending.take(sequence, details) == rest
    assert (ending.sequence or None, ending.category or None) == said


def test_what_is_missing_later_stands() -> None:
    ending = Ending()
    ending.take("END", BIO)
    ending.take(None, None)
    ending.take("", {"type": "refusal", "category": ""})
    assert (ending.sequence, ending.category) == ("END", "bio")
