"""The items of an output."""

from __future__ import annotations

from typing import Any

import msgspec

from api.dialects.openai_responses.items import CallItem, Item, MessageItem, ReasoningItem, SealItem
from api.dialects.openai_responses.said import Said
from shared.log.events import PartKind


def said(kind: PartKind, text: str = "", **fields: Any) -> Said:
    part = Said(kind)
    part.grown += msgspec.json.encode(text)[1:-1]
    for name, value in fields.items():
        setattr(part, name, value)
    return part


def shown(item: Item, status: Any = "completed") -> dict[str, Any]:
    """An item as its JSON has it."""
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(item.object(status)))
    return fields


def test_a_message() -> None:
    item = MessageItem("msg_1", 0)
    for part in (said("text", "a"), said("refusal", "b")):
        assert item.takes(part)
        item.add(part)
    assert not item.takes(said("reasoning"))
    assert item.beginning()["content"] == []
    assert shown(item) == {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "b"},
        ],
    }


def test_reasoning_has_the_summaries_of_one_item_of_the_provider() -> None:
    item = ReasoningItem("rs_1", 0)
    item.add(said("reasoning", "", item_id="a"))
    item.add(said("reasoning", "One.", item_id="a"))
    item.add(said("reasoning", "", item_id="a", encrypted="x", provider="openai", summary=True))
    assert item.takes(said("reasoning", item_id="a"))
    assert not item.takes(said("reasoning", item_id="b"))
    assert [one["text"] for one in shown(item)["summary"]] == ["", "One."]
    assert shown(item)["encrypted_content"] == "ms1:openai:encrypted+.a.x"


def test_reasoning_without_an_id_is_an_item_by_itself() -> None:
    item = ReasoningItem("rs_1", 0)
    item.add(said("reasoning", "One."))
    assert not item.takes(said("reasoning"))
    assert "encrypted_content" not in shown(item)


def test_a_call() -> None:
    item = CallItem("fc_1", 0)
    item.add(said("tool_call", '{"a": 1}', call_id="c", name="look"))
    assert item.beginning()["arguments"] == ""
    assert shown(item, "incomplete") == {
        "id": "fc_1", "type": "function_call", "status": "incomplete", "call_id": "c", "name": "look",
        "arguments": '{"a": 1}',
    }  # fmt: skip


def test_a_signature_of_something_else() -> None:
    item = SealItem("rs_1", 1, "ms1:gemini:call.c.s")
    assert shown(item)["encrypted_content"] == "ms1:gemini:call.c.s"
    assert item.ended
