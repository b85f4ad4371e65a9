"""The order of an earlier answer: that of its parts, and without them the order that a message has."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.answer_order import Refusal, in_order
from shared.request.message_parts import Reasoning, SaidText
from shared.request.messages import AssistantMessage
from shared.request.tools import ToolCall


def thought(text: str, part: int | None = None) -> dict[str, Any]:
    return {"text": text, "part": part}


def call(name: str, part: int | None = None) -> dict[str, Any]:
    return {"id": name, "function": {"name": name, "arguments": "{}"}, "part": part}


def text(said: str, part: int | None = None) -> dict[str, Any]:
    return {"type": "text", "text": said, "part": part}


def order(**fields: Any) -> list[str]:
    said = in_order(AssistantMessage.model_validate({"role": "assistant", **fields}))
    assert all(isinstance(one, Reasoning | SaidText | Refusal | ToolCall) for one in said)
    return [one.function.name if isinstance(one, ToolCall) else one.text for one in said]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"reasoning": [thought("r0", 0), thought("r2", 2)], "tool_calls": [call("c1", 1), call("c3", 3)]},
            ["r0", "c1", "r2", "c3"],
        ),
        (
            {
                "reasoning": [thought("r0", 0), thought("r3", 3)],
                "content": [text("t1", 1), text("t4", 4)],
                "tool_calls": [call("c2", 2), call("c5", 5)],
            },
            ["r0", "t1", "c2", "r3", "t4", "c5"],
        ),
        # As it was before there were parts.
        (
            {"reasoning": [thought("r")], "content": "t", "refusal": "no", "tool_calls": [call("c")]},
            ["r", "t", "no", "c"],
        ),
        # A text without a place stands where one is missing, ...
        (
            {
                "reasoning": [thought("r0", 0), thought("r3", 3)],
                "content": "t1",
                "tool_calls": [call("c2", 2), call("c4", 4)],
            },
            ["r0", "t1", "c2", "r3", "c4"],
        ),
        ({"content": "t0", "tool_calls": [call("c1", 1)]}, ["t0", "c1"]),
        # ... else behind the reasoning, as in a message without places.
        ({"reasoning": [thought("r0", 0)], "content": "t", "tool_calls": [call("c")]}, ["r0", "t", "c"]),
        ({"reasoning": [thought("r0", 0)], "content": "t", "tool_calls": [call("c1", 1)]}, ["r0", "t", "c1"]),
        ({"reasoning": [thought("r")], "content": "t", "tool_calls": [call("c4", 4), call("c1", 1)]},
         ["r", "t", "c1", "c4"]),
        # One number twice: as the message has them.
        (
            {"reasoning": [thought("r1", 1)], "content": [text("t1", 1)], "tool_calls": [call("c1", 1)]},
            ["r1", "t1", "c1"],
        ),
    ],
)  # fmt: skip
def test_what_was_said_is_in_its_order(fields: dict[str, Any], expected: list[str]) -> None:
    assert order(**fields) == expected


def test_a_place_is_a_number_from_0_on() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        order(tool_calls=[call("c", -1)])
    with pytest.raises(ValueError, match="Extra inputs"):
        AssistantMessage.model_validate({"role": "assistant", "content": "x", "part": 1})
