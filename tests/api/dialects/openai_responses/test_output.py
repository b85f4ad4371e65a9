"""Which item each part is in."""

from __future__ import annotations

from typing import Any

from api.dialects.openai_responses.output import Output
from tests.api.dialects.openai_responses.logs import TAIL, subject
from tests.api.dialects.openai_responses.test_items import said


def kinds(*parts: Any, **echo: Any) -> list[str]:
    output = Output(subject(**echo))
    for part in parts:
        output.place(part)
    return [item.type for item in output.items]


def test_parts_that_belong_together() -> None:
    assert kinds(said("text"), said("refusal"), said("reasoning"), said("text")) == ["message", "reasoning", "message"]
    assert kinds(said("reasoning", item_id="a"), said("reasoning", item_id="a")) == ["reasoning"]


def test_calls() -> None:
    client, provider = {"executor": "client"}, {"executor": "provider"}
    assert kinds(
        said("tool_call", name="look", **client),
        said("tool_call", name="patch", **client),
        said("tool_call", name="web_search", **provider),
        tools=[{"type": "custom", "name": "patch"}],
    ) == ["function_call", "custom_tool_call", "web_search_call"]


def test_what_the_protocol_has_no_word_for_is_in_no_item() -> None:
    parts = [
        said("text"),
        said("tool_call", name="remote", executor="provider", call_id="c"),
        said("tool_result", call_id="c"),
        said("file", media_type="application/pdf"),
        said("file", media_type="image/png", url="https://a.example"),
        said("text"),
    ]
    # What was said before a tool ran is another message.
    assert kinds(*parts) == ["message", "message"]
    assert [part.item is None for part in parts] == [False, True, True, True, True, False]


def test_a_result_adds_to_its_call() -> None:
    call = said("tool_call", name="file_search", executor="provider", call_id="c")
    result = said("tool_result", call_id="c")
    assert kinds(call, said("text"), result) == ["file_search_call", "message"]
    assert result.item is call.item


def test_ids_and_indices() -> None:
    output = Output(subject())
    output.place(said("text"))
    output.place(said("tool_call"))
    output.begin_anew(3, 2)
    output.place(said("text"))
    (item,) = output.items
    assert (item.id, item.index) == (f"msg_{TAIL}_3_0", 2)
    assert len(item.id) <= 64


def test_signatures_of_calls_and_texts_stand_behind_all_else() -> None:
    output = Output(subject())
    output.place(said("text"))
    output.place(said("text", signature="t", provider="gemini"))
    output.place(said("tool_call", call_id="c", signature="s", provider="gemini"))
    output.place(said("tool_call", call_id="d"))
    sealed = [(item.index, item.fields("completed")["encrypted_content"]) for item in output.seal()]
    assert sealed == [(3, "ms1:gemini:text.1.t"), (4, "ms1:gemini:call.c.s")]
    assert [item.type for item in output.items] == [
        "message", "function_call", "function_call", "reasoning", "reasoning",
    ]  # fmt: skip


def test_how_items_stand() -> None:
    output = Output(subject())
    output.place(said("tool_call", ended=True))
    output.place(said("text", ended=True))
    call, message = output.items
    assert [output.status_of(message, status) for status in ("in_progress", "completed", "incomplete", "failed")] == [
        "in_progress", "completed", "incomplete", "completed",
    ]  # fmt: skip
    assert {output.status_of(call, status) for status in ("in_progress", "incomplete", "cancelled")} == {"completed"}
    message.parts[0].ended = False
    assert output.status_of(message, "failed") == "incomplete"
    assert output.status_of(message, "completed") == "incomplete"


def test_a_call_whose_arguments_are_whole_has_ended() -> None:
    output = Output(subject())
    output.place(said("tool_call", '{"a": 1}'))
    output.place(said("tool_call", '{"a": {}'))
    assert [output.status_of(item, "failed") for item in output.items] == ["completed", "incomplete"]
