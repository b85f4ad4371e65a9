"""One item of a Responses answer, and which types are alike."""

from __future__ import annotations

import pytest

from worker.providers.openai_responses.event import TEXT
from worker.providers.openai_responses.item import Item, agree, alike, fits, same, tool_named
from worker.providers.openai_responses.parts import Parts


def test_the_newest_part_of_a_slot() -> None:
    item = Item("msg_1", "message")
    assert item.one("content") is None
    parts = Parts("acme")
    item.parts += [parts.begin(TEXT, "msg_1"), parts.begin(TEXT, "msg_1")]
    assert item.one("content") is item.parts[1]
    assert item.one("call") is None


@pytest.mark.parametrize(
    ("known", "type", "given", "like", "fit"),
    [
        (True, "message", "message", True, True),
        (True, "message", "reasoning", True, False),
        (True, "function_call", "mcp_call", True, False),
        (False, "function_call", "mcp_call", True, True),
        (True, "function_call", "message", False, False),
        (True, None, "message", True, True),
        (True, "hologram", "hologram", True, True),
    ],
)
def test_types(known: bool, type: str | None, given: str, like: bool, fit: bool) -> None:
    item = Item("x", type, known=known)
    assert (alike(item, given), fits(item, given)) == (like, fit)


def test_what_is_missing_agrees_with_all_and_is_the_same_as_nothing() -> None:
    assert [agree(*pair) for pair in (("a", "a"), ("a", "b"), ("a", None), ("", "b"), (0, 1), (0, None))] == [
        True, False, True, True, False, True,
    ]  # fmt: skip
    assert [same(*pair) for pair in (("a", "a"), ("a", "b"), (None, None), ("", ""), (0, 0))] == [
        True, False, False, False, True,
    ]  # fmt: skip


def test_tools_by_their_names() -> None:
    assert (tool_named("web_search"), tool_named("roll"), tool_named(None)) == (
        "web_search_call", "mcp_call", "mcp_call",
    )  # fmt: skip
