"""Responses whose events and whose whole response do not say the same."""

from typing import Any

import pytest

from tests.simulator.quirks.asked import LOREM, REASONING, RESPONSES, TOOLS, Answered, Asker


def names(answer: Answered) -> list[str]:
    return [name.removeprefix("response.") for name, _ in answer.events]


def output(answer: Answered) -> list[Any]:
    """What the whole response has, without the ids of its own."""
    items: list[Any] = answer.data[-1]["response"]["output"]
    return [{name: value for name, value in item.items() if name != "id"} for item in items]


CALL_EVENTS = {"function_call_arguments.delta", "function_call_arguments.done"}


@pytest.mark.parametrize(
    "quirk",
    [
        "only-the-end",
        "call-only-at-end",
        "arguments-only-at-end",
        "text-cut",
        "arguments-before-item",
        "arguments-without-item",
        "content-index-one",
        "response-done",
    ],
)
async def test_the_whole_response_is_whole_and_numbers_have_no_gap(ask: Asker, quirk: str) -> None:
    usual, odd = await ask(RESPONSES, TOOLS), await ask(RESPONSES, TOOLS, quirk)
    assert output(odd) == output(usual)
    assert [item["type"] for item in output(odd)] == ["message", "function_call", "function_call"]
    assert [data["sequence_number"] for data in odd.data] == list(range(len(odd.data)))


async def test_only_the_end(ask: Asker) -> None:
    assert names(await ask(RESPONSES, TOOLS, "only-the-end")) == ["created", "in_progress", "completed"]


def items_of(answer: Answered, state: str) -> list[str]:
    return [data["item"]["type"] for name, data in answer.events if name == f"response.output_item.{state}"]


async def test_a_call_that_only_the_end_has(ask: Asker) -> None:
    odd = await ask(RESPONSES, TOOLS, "call-only-at-end")
    assert items_of(odd, "added") == items_of(odd, "done") == ["message"]
    assert not CALL_EVENTS & set(names(odd))


async def test_arguments_that_only_the_end_has(ask: Asker) -> None:
    odd = await ask(RESPONSES, TOOLS, "arguments-only-at-end")
    assert items_of(odd, "added") == ["message", "function_call", "function_call"]
    assert items_of(odd, "done") == ["message"]
    assert not CALL_EVENTS & set(names(odd))


@pytest.mark.parametrize("script", [LOREM, TOOLS])
async def test_text_whose_end_only_the_end_has(ask: Asker, script: str) -> None:
    usual, odd = await ask(RESPONSES, script), await ask(RESPONSES, script, "text-cut")
    assert usual.text.startswith(odd.text)
    assert len(odd.text.split()) == len(usual.text.split()) - 1
    assert "output_text.done" not in names(odd)
    assert "message" not in items_of(odd, "done")
    assert items_of(odd, "done") == items_of(usual, "done")[1:]


async def test_arguments_before_their_item(ask: Asker) -> None:
    odd = await ask(RESPONSES, TOOLS, "arguments-before-item")
    steps = [name for name in names(odd) if name in CALL_EVENTS or name.startswith("output_item")]
    one = [
        *["function_call_arguments.delta"] * 3,
        "function_call_arguments.done",
        "output_item.added",
        "output_item.done",
    ]
    assert steps == ["output_item.added", "output_item.done", *one, *one]


async def test_arguments_without_their_item(ask: Asker) -> None:
    odd = await ask(RESPONSES, TOOLS, "arguments-without-item")
    assert items_of(odd, "added") == ["message"]
    assert items_of(odd, "done") == ["message", "function_call", "function_call"]
    assert set(names(odd)) >= CALL_EVENTS


async def test_contents_from_one(ask: Asker) -> None:
    odd = await ask(RESPONSES, LOREM, "content-index-one")
    assert {data["content_index"] for data in odd.data if "content_index" in data} == {1}
    assert len(output(odd)[0]["content"]) == 1


async def test_contents_that_count_up(ask: Asker) -> None:
    usual, odd = await ask(RESPONSES, REASONING), await ask(RESPONSES, REASONING, "content-index-counting")
    for kind, count in (("reasoning_text", 3), ("output_text", 6)):
        found = [data for name, data in odd.events if name == f"response.{kind}.delta"]
        assert [data["content_index"] for data in found] == list(range(count))
    assert odd.text == usual.text
    assert not any("part" in name or "summary" in name for name in names(odd))
    reasoning = output(odd)[0]
    assert reasoning["summary"] == []
    assert "".join(part["text"] for part in reasoning["content"]) == "".join(
        part["text"] for part in output(usual)[0]["summary"]
    )


async def test_another_word_for_the_end(ask: Asker) -> None:
    odd = await ask(RESPONSES, LOREM, "response-done")
    assert odd.events[-1][0] == odd.data[-1]["type"] == "response.done"
    assert b"response.completed" not in odd.body
    assert odd.data[-1]["response"]["status"] == "completed"
