"""A chunk is one line, whatever is in it."""

from __future__ import annotations

import json

from api.dialects.ai_sdk.chunks import DELTA_END, chunk, delta_begin


def test_a_chunk_is_one_line() -> None:
    made = chunk("error", errorText="a\n\n\u2028\x85b", left=None)
    assert made.endswith(b"\n\n")
    assert len(made.decode().splitlines()) == 2
    assert json.loads(made.removeprefix(b"data: ")) == {"type": "error", "errorText": "a\n\n\u2028\x85b"}


def test_a_null_is_a_value_of_a_tool() -> None:
    assert b'"output":null' in chunk("tool-output-available", toolCallId="c", output=None)


def test_a_delta_is_made_of_ready_pieces() -> None:
    made = delta_begin("text", '0"') + b'"a"' + DELTA_END
    assert json.loads(made.removeprefix(b"data: ")) == {"type": "text-delta", "id": '0"', "delta": "a"}
    made = delta_begin("tool-input", "c\u2028") + b'"{"' + DELTA_END
    assert len(made.decode().splitlines()) == 2
    told = {"type": "tool-input-delta", "toolCallId": "c\u2028", "inputTextDelta": "{"}
    assert json.loads(made.removeprefix(b"data: ")) == told
