"""Why an answer ended, in Anthropic's words."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.anthropic_messages.stop_reason import ending
from shared.log.events import Completed


@pytest.mark.parametrize(
    ("reason", "raw", "expected"),
    [
        ("stop", "end_turn", "end_turn"),
        ("stop", "STOP", "end_turn"),
        ("stop", "stop_sequence", "stop_sequence"),
        ("length", "length", "max_tokens"),
        ("length", "model_context_window_exceeded", "model_context_window_exceeded"),
        ("tool_calls", "end_turn", "tool_use"),
        ("content_filter", "SAFETY", "refusal"),
        ("paused", "pause_turn", "pause_turn"),
        ("other", "strange", "end_turn"),
        ("other", "stop_sequence", "end_turn"),
    ],
)
def test_reasons(reason: Any, raw: str, expected: str) -> None:
    completed = Completed(finish_reason=reason, raw_finish_reason=raw)
    assert ending(completed, refused=False) == {"stop_reason": expected, "stop_sequence": None}


def test_a_stop_sequence_is_named() -> None:
    completed = Completed(finish_reason="stop", raw_finish_reason="stop", stop_sequence="END")
    assert ending(completed, refused=False) == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


def test_what_the_model_refused_in_a_part_is_a_refusal() -> None:
    assert ending(Completed(finish_reason="stop"), refused=True)["stop_reason"] == "refusal"
    assert ending(Completed(finish_reason="length"), refused=True)["stop_reason"] == "max_tokens"


def test_the_category_of_a_refusal() -> None:
    said = ending(Completed(finish_reason="content_filter", refusal_category="bio"), refused=False)
    assert said["stop_details"] == {"type": "refusal", "category": "bio", "explanation": None}
    assert "stop_details" not in ending(Completed(finish_reason="stop", refusal_category="bio"), refused=False)
