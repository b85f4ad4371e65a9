"""The input as a list of items."""

from __future__ import annotations

from typing import Any

from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from api.dialects.openai_responses.input_items import input_items
from api.dialects.openai_responses.request import read
from tests.api.dialects.openai_responses.logs import TAIL, subject

ITEMS: TypeAdapter[Any] = TypeAdapter(list[ResponseItem])


def listed(**body: Any) -> list[dict[str, Any]]:
    asked = read({"model": "gpt-5", **body}, provider="openai", protocol="openai-responses")
    items = input_items(subject(**asked.echo), asked.native)
    ITEMS.validate_python(items)
    return items


def test_a_text_is_a_message() -> None:
    assert listed(input="Hi", instructions="Be brief.") == [
        {
            "id": f"msg_{TAIL}_in_0",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi"}],
        }
    ]


def test_a_system_message_of_the_input_is_one_of_it() -> None:
    (item,) = listed(input=[{"role": "system", "content": "Be brief."}])
    assert item["role"] == "system"


def test_all_kinds_in_their_order() -> None:
    items = [
        {"role": "user", "content": [
            {"type": "input_image", "image_url": "https://a.example/b"},
            {"type": "input_file", "file_url": "https://a.example/c", "filename": "c.pdf"},
        ]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "So."}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "No."}]},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "Seen."}]},
    ]  # fmt: skip
    got = listed(input=items)
    kinds = [item["type"] for item in got]
    assert kinds.index("function_call") < kinds.index("reasoning") < kinds.index("function_call_output")
    assert len({item["id"] for item in got}) == len(got)
    assert [one["type"] for one in got[0]["content"]] == ["input_image", "input_file"]
    assert got[-1]["output"] == [{"type": "input_text", "text": "Seen."}]
