"""Reasoning under other names becomes ours, once."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.dumped_reasoning import put_in_place

BLOCKS = [
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "redacted_thinking", "data": "d"},
    {"type": "thinking", "thinking": "So.", "signature": None},
    {"type": "thinking", "thinking": "", "signature": ""},
]
DETAILS = [
    {
        "type": "reasoning.text",
        "text": "Hm.",
        "signature": "s",
        "format": "anthropic-claude-v1",
        "index": 0,
        "id": None,
    },
    {"type": "reasoning.summary", "summary": "So.", "format": "openai-responses-v1", "id": "rs_1", "index": 1},
    {"type": "reasoning.encrypted", "data": "d", "format": None, "id": "rs_2"},
    {"type": "reasoning.text", "text": None, "signature": None},
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_content": "Hm."}, [{"text": "Hm."}]),
        ({"reasoning": "Hm."}, [{"text": "Hm."}]),
        ({"reasoning_text": "Hm.", "reasoning": None}, [{"text": "Hm."}]),
        ({"reasoning_content": "Hm.", "reasoning": "Hm."}, [{"text": "Hm."}]),
        ({"reasoning_content": "Hm.", "reasoning": "So."}, [{"text": "Hm."}, {"text": "So."}]),
        ({"reasoning_content": "", "reasoning": ""}, None),
        (
            {"reasoning_content": "Hm.So.", "thinking_blocks": BLOCKS},
            [
                {"text": "Hm.", "signature": "s", "provider": "litellm"},
                {"encrypted": "d", "provider": "litellm"},
                {"text": "So."},
            ],
        ),
        (
            {"reasoning": "Hm.So.", "reasoning_details": DETAILS},
            [
                {"text": "Hm.", "signature": "s", "provider": "openrouter/anthropic-claude-v1"},
                {"text": "So.", "summary": True, "provider": "openrouter/openai-responses-v1", "item_id": "rs_1"},
                {"encrypted": "d", "provider": "openrouter/unknown", "item_id": "rs_2"},
            ],
        ),
    ],
)
def test_it_becomes_ours(fields: dict[str, Any], expected: list[dict[str, Any]] | None) -> None:
    message = {"role": "assistant", "content": "x", **fields}
    assert put_in_place(message)
    assert message.pop("reasoning", None) == expected
    assert message == {"role": "assistant", "content": "x"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reasoning": [{"text": "x"}], "reasoning_content": "y"},
        {"reasoning_content": ["x"]},
        {"reasoning_content": "x", "thinking_blocks": [{"type": "new"}]},
        {"reasoning_details": [{"type": "reasoning.new", "data": "x"}]},
        {"reasoning_details": ["x"]},
        {"thinking_blocks": []},
    ],
)
def test_what_is_unknown_stays(fields: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": "x", **fields}
    before = dict(message)
    assert not put_in_place(message)
    assert message == before
