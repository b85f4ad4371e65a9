"""What a request adds to its conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.request.added_input import added_by

SYSTEM = {"role": "system", "content": "Be brief."}
ASKED = {"role": "user", "content": [{"type": "text", "text": "Why?"}]}
SAID = {"role": "assistant", "content": "So."}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "1"}


@pytest.mark.parametrize(
    ("messages", "added"),
    [
        ([], []),
        ([ASKED], [ASKED]),
        ([SYSTEM, ASKED], [ASKED]),
        ([ASKED, SAID], []),
        ([ASKED, SAID, ASKED, ASKED], [ASKED, ASKED]),
        ([ASKED, SAID, RESULT, {"role": "developer", "content": "x"}, ASKED], [RESULT, ASKED]),
    ],
)
def test_it_is_what_follows_the_last_answer(messages: list[Any], added: list[Any]) -> None:
    assert added_by(msgspec.json.encode({"model": "p/m", "messages": messages})) == added


def test_what_cannot_be_read_adds_nothing() -> None:
    assert added_by(b"") == added_by(b"[]") == added_by(b'{"messages":[1]}') == []
