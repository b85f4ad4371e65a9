"""The items of a response: what each event tells, what stands in the item, and what is opaque or incomplete."""

from typing import Any

import pytest

from simulator.answer import Kind, ScriptedCall
from simulator.output_item import OutputItem, web_search


def item(kind: Kind, *, encrypted: str | None = None, cites: bool = False) -> OutputItem:
    made = ScriptedCall("abc", "rain") if kind == "tool_call" else None
    return OutputItem(kind, 0, 3, made=made, encrypted=encrypted, cites=cites)


def lived(one: OutputItem, *texts: str, status: str = "completed") -> list[tuple[str, dict[str, Any]]]:
    """Its events from its beginning to its end."""
    events = one.opened()
    one.said += texts
    return [*events, *one.closed(status)]


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("text", ["output_item.added", "content_part.added", "output_text.done", "content_part.done",
                  "output_item.done"]),
        ("refusal", ["output_item.added", "content_part.added", "refusal.done", "content_part.done",
                     "output_item.done"]),
        ("reasoning", ["output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.done",
                       "reasoning_summary_part.done", "output_item.done"]),
        ("tool_call", ["output_item.added", "function_call_arguments.done", "output_item.done"]),
    ],
)  # fmt: skip
def test_its_events(kind: Kind, types: list[str]) -> None:
    events = lived(item(kind), "a", "b")
    assert [type.removeprefix("response.") for type, _ in events] == types
    (id,) = {fields.get("item_id", fields.get("item", {}).get("id")) for _, fields in events}
    assert id
    assert {fields["output_index"] for _, fields in events} == {3}
    done = next(fields for type, fields in events if type.endswith(".done") and "item" not in fields)
    assert "ab" in (done.get("text"), done.get("refusal"), done.get("arguments"))


@pytest.mark.parametrize(
    ("kind", "place"),
    [("text", ("content", "text")), ("refusal", ("content", "refusal")), ("reasoning", ("summary", "text"))],
)
def test_what_it_holds_stands_in_it(kind: Kind, place: tuple[str, str]) -> None:
    one = item(kind)
    one.opened()
    one.said.append("a")
    parts, field = place
    assert one.shape("in_progress")[parts][0][field] == "a"
    one.said.append("b")
    one.closed("completed")
    assert one.shape("completed")[parts][0][field] == "ab"


def test_a_call_names_what_is_called() -> None:
    one = item("tool_call")
    assert one.shape("in_progress")["arguments"] == ""
    lived(one, '{"a":', "1}")
    shape = one.shape("completed")
    assert (shape["type"], shape["name"], shape["call_id"]) == ("function_call", "rain", "call_abc")
    assert (shape["arguments"], shape["status"]) == ('{"a":1}', "completed")


def test_a_summary_goes_on_in_a_next_part() -> None:
    one = item("reasoning")
    one.opened()
    one.said.append("first")
    events = one.next_part()
    assert [type.rpartition(".")[2] for type, _ in events] == ["done", "done", "added"]
    assert events[-1][1]["summary_index"] == 1
    one.said.append("second")
    one.closed("completed")
    assert [part["text"] for part in one.shape("completed")["summary"]] == ["first", "second"]


def test_what_is_encrypted_is_whole_only_with_its_end() -> None:
    one = item("reasoning", encrypted="0123456789")
    one.opened()
    assert one.shape("in_progress")["encrypted_content"] == "01234"
    assert one.shape("completed")["encrypted_content"] == "0123456789"
    assert "encrypted_content" not in item("reasoning").shape("completed")


def test_a_citation_comes_with_the_text_that_it_is_of() -> None:
    events = lived(item("text", cites=True), "four")
    (added,) = [fields for type, fields in events if type.endswith("annotation.added")]
    assert (added["annotation"]["start_index"], added["annotation"]["end_index"]) == (0, 4)
    (done,) = [fields for type, fields in events if type.endswith("content_part.done")]
    assert done["part"]["annotations"] == [added["annotation"]]
    assert not [type for type, _ in lived(item("text"), "four") if "annotation" in type]


def test_two_items_share_nothing() -> None:
    one, two = item("text", cites=True), item("text")
    lived(one, "a")
    lived(two, "b")
    assert one.shape("completed")["id"] != two.shape("completed")["id"]
    assert two.shape("completed")["content"][0]["annotations"] == []


@pytest.mark.parametrize("sources", [False, True])
def test_a_search_is_one_item_from_its_beginning_to_its_end(sources: bool) -> None:
    events, found = web_search(2, sources=sources)
    types = [type.removeprefix("response.") for type, _ in events]
    assert types == [
        "output_item.added", "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed",
        "output_item.done",
    ]  # fmt: skip
    assert events[-1][1]["item"] == found
    assert (events[0][1]["item"]["status"], found["status"]) == ("in_progress", "completed")
    assert ("sources" in found["action"]) is sources
