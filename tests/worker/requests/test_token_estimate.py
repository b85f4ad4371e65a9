"""An estimate counts text, and nothing that only looks like it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.log.events import Usage
from worker.requests import token_estimate

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("fields", "characters"),
    [
        ({"messages": [{"role": "user", "content": "1234"}]}, 4),
        ({"messages": [{"role": "system", "content": "12"}, {"role": "user", "content": "345"}]}, 5),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "1234"}]}]}, 4),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x" * 99}}]}]}, 0),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "x" * 99}}]}]}, 0),
        ({"messages": [], "tools": [TOOL]}, len(json.dumps([TOOL], separators=(",", ":")))),
        ({}, 0),
    ],
)
async def test_characters_of_a_request(fields: dict[str, Any], characters: int) -> None:
    assert await token_estimate.characters(json.dumps(fields).encode()) == characters


@pytest.mark.parametrize("request_", [b"", b"{", b"[]", b"7"])
async def test_what_cannot_be_read_has_none(request_: bytes) -> None:
    assert await token_estimate.characters(request_) == 0


def test_a_token_is_four_characters_and_a_part_of_one_is_one() -> None:
    assert token_estimate.usage(8, 9) == Usage(input_tokens=2, output_tokens=3)
    assert token_estimate.usage(0, 0) == Usage()
