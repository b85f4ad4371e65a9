"""The message of an answer that has ended."""

from __future__ import annotations

from typing import Any

from api.dialects.anthropic_messages.answer import answer
from api.dialects.opaque import wrap
from shared.log.events import Attempt, Completed, Delta, Event, Part, PartEnd, Usage
from tests.api.dialects.anthropic_messages.conftest import SUBJECT, TAIL, folded

FIRST = Attempt(number=1, reason="new", model="m", provider="p")


def content(*events: Event) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(SUBJECT, folded([FIRST, *events]))["content"]
    return found


def test_a_message() -> None:
    log = [
        FIRST,
        Part(part=0, kind="text"),
        Delta(part=0, kind="text", delta="Hi"),
        PartEnd(part=0),
        Completed(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=1)),
    ]
    assert answer(SUBJECT, folded(log), 2) == {
        "id": f"msg_{TAIL}-2",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        },
    }


def test_blocks_of_thinking() -> None:
    def thought(text: str, **end: Any) -> list[dict[str, Any]]:
        said = [Delta(part=0, kind="reasoning", delta=text)] if text else []
        return content(Part(part=0, kind="reasoning"), *said, PartEnd(part=0, **end))

    assert thought("Hm", signature="s", provider="p") == [
        {"type": "thinking", "thinking": "Hm", "signature": wrap("p", "s")}
    ]
    assert thought("Hm") == [{"type": "thinking", "thinking": "Hm", "signature": ""}]
    assert thought("", encrypted="e", provider="p") == [{"type": "redacted_thinking", "data": wrap("p", "e")}]
    assert thought("", signature="s", provider="p") == [
        {"type": "thinking", "thinking": "", "signature": wrap("p", "s")}
    ]
    assert thought("") == []


def test_a_call_whose_arguments_are_no_object_says_so() -> None:
    call = Part(part=0, kind="tool_call", call_id="c", name="f", executor="client")
    said = Delta(part=0, kind="tool_call", delta="nonsense")
    for end in (PartEnd(part=0), Completed(finish_reason="tool_calls")):
        (block,) = content(call, said, end)
        assert block["input"] == {"INVALID_JSON": "nonsense"}
    (block,) = content(call, said)
    assert block["input"] == {}
    assert content(call) == [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]


def test_what_messages_cannot_say_is_left_out() -> None:
    assert content(Part(part=0, kind="file"), Part(part=1, kind="tool_result"), Part(part=2, kind="text")) == []
