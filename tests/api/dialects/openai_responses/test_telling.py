"""What one part says: at once, or in one delta where it waited."""

from __future__ import annotations

import json
from typing import Any

from api.dialects.openai_responses.items import CallItem, MessageItem, ReasoningItem
from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.telling import Telling
from tests.api.dialects.openai_responses.test_items import said


def taken(telling: Telling) -> list[tuple[str, Any]]:
    """The events, by what each adds."""
    data = [json.loads(one.split(b"\ndata: ", 1)[1]) for one in telling.take()]
    return [(one["type"].removeprefix("response."), one.get("delta", one.get("text"))) for one in data]


def in_message(*parts: Said) -> None:
    item = MessageItem("msg_1", 0)
    for part in parts:
        item.add(part)


def test_what_waited_comes_as_one_delta_and_only_once() -> None:
    telling, part = Telling(7), said("text", 'a"\n')
    in_message(part)
    telling.catch_up(part)
    assert taken(telling) == [("content_part.added", None), ("output_text.delta", 'a"\n')]
    telling.catch_up(part)
    assert taken(telling) == []
    part.grown += b"b"
    part.logprobs = [{"token": "b"}]
    part.annotations = [{"type": "url_citation"}]
    telling.catch_up(part)
    assert taken(telling) == [("output_text.delta", "b"), ("output_text.annotation.added", None)]
    assert telling.number == 11
    telling.close(part)
    assert taken(telling) == [("output_text.done", 'a"\nb'), ("content_part.done", None)]
    assert part.closed
    assert not part.before


def test_a_part_that_goes_on_after_its_end_does_not_begin_again() -> None:
    telling, part = Telling(0), said("refusal", "No")
    in_message(part)
    telling.catch_up(part)
    telling.close(part)
    part.grown += b"!"
    part.closed = False
    telling.catch_up(part)
    assert [name for name, _ in taken(telling)].count("content_part.added") == 1


def test_silent_summaries_before_one_that_speaks_take_their_places() -> None:
    item, parts = ReasoningItem("rs_1", 0), [said("reasoning", item_id="a"), said("reasoning", "b", item_id="a")]
    for part in parts:
        item.add(part)
    telling = Telling(0)
    telling.catch_up(parts[0])
    assert taken(telling) == []
    telling.catch_up(parts[1])
    assert [name for name, _ in taken(telling)] == [
        "reasoning_summary_part.added", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "reasoning_summary_part.added", "reasoning_summary_text.delta",
    ]  # fmt: skip


def test_half_a_call_is_not_told_to_be_whole() -> None:
    item, part = CallItem("fc_1", 0), said("tool_call", "{")
    item.add(part)
    telling = Telling(0)
    telling.catch_up(part)
    telling.close(part, cut=True)
    assert taken(telling) == [("function_call_arguments.delta", "{")]
