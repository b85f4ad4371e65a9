"""Results for the calls of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.conversing.tool_results import NOT_RUN, results_for
from midstream_client import Answer

BROKEN: Any = {"complete": False, "arguments": None, "arguments_text": '{"ci'}
NO_JSON: Any = {"arguments": None, "arguments_text": "ci"}
LINE_BREAK: Any = {"arguments": None, "arguments_text": '{"city": "a\nb"}'}


def answer(state: str, finish_reason: str = "tool_calls", **fields: Any) -> Answer:
    call = {"kind": "tool_call", "call_id": "c1", "name": "time", "arguments": {"city": "Rome"}, "complete": True}
    parts = [{"kind": "text", "text": "Hm.", "complete": True}, call | fields]
    return Answer.of_snapshot({"state": state, "finish_reason": finish_reason, "parts": parts})


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (answer("completed"), True),
        (answer("completed", **NO_JSON), True),
        (answer("completed", executor="provider"), False),
        (answer("completed", call_id=None), False),
        (answer("completed", "length"), True),
        (answer("completed", "length", **NO_JSON), False),
        (answer("cancelled"), True),
        (answer("cancelled", **BROKEN), False),
        (answer("cancelled", **NO_JSON), False),
        (answer("cancelled", **LINE_BREAK), True),
    ],
)
def test_each_call_that_counts_has_one(said: Answer, counts: bool) -> None:
    assert results_for(said) == [{"role": "tool", "tool_call_id": "c1", "content": NOT_RUN}] * counts
