"""What becomes of fields by their values."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.anthropic_messages.fields import only_clears


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]}, True),
        ({"edits": []}, True),
        ({"edits": [{"type": "clear_thinking_20251015"}, {"type": "compact_20260112"}]}, False),
        ({"edits": ["clear_"]}, False),
        ({"edits": None}, False),
        ([], False),
    ],
)
def test_clearing_what_was_read_is_told_from_the_rest(value: Any, expected: bool) -> None:
    assert only_clears(value) is expected
