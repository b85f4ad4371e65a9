"""Marks of a cached prompt in messages that go out."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.provider_settings import ProviderSettings
from worker.providers.openai_chat.cache_marks import are_taken, put_in_place

MARK, OTHER = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def text(**more: Any) -> dict[str, Any]:
    return {"type": "text", "text": "x", **more}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x", [text(cache_control=MARK)]),
        ([text(), text()], [text(), text(cache_control=MARK)]),
        # What a part says of itself counts.
        ([text(cache_control=OTHER)], [text(cache_control=OTHER)]),
        ("", ""),
        (None, None),
    ],
)
def test_the_mark_of_a_message_is_its_last_parts(content: Any, expected: Any) -> None:
    assert put_in_place({"content": content, "cache_control": MARK}, taken=True) == {"content": expected}


def test_none_is_left_where_none_is_taken() -> None:
    message = {"content": [text(cache_control=MARK), text()], "cache_control": OTHER}
    assert put_in_place(message, taken=False) == {"content": [text(), text()]}
    assert put_in_place({"content": "x"}, taken=False) == {"content": "x"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"reasoning": "openrouter"}, True),
        ({"reasoning": "litellm", "cache_control": False}, False),
        ({"cache_control": True}, True),
    ],
)
def test_who_takes_them(fields: dict[str, Any], expected: bool) -> None:
    assert are_taken(ProviderSettings(protocol="openai-chat", **fields)) is expected
