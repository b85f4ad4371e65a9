"""Arguments that are said too often, or in another shape."""

import json
from typing import Any

import pytest

from tests.simulator.quirks.asked import CHAT, MESSAGES, RESPONSES, TOOLS, Answered, Asker


def pieces_of(protocol: str, answer: Answered, call: int) -> list[str]:
    """The pieces of the arguments of a call."""
    if protocol == CHAT:
        return [f["function"]["arguments"] for f in answer.fragments if f["index"] == call]
    if protocol == RESPONSES:
        found = [data for name, data in answer.events if name == "response.function_call_arguments.delta"]
        return [data["delta"] for data in found if data["output_index"] == call + 1]
    deltas = [data for name, data in answer.events if name == "content_block_delta" and data["index"] == call + 1]
    return [data["delta"]["partial_json"] for data in deltas]


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
async def test_braces_come_before_the_arguments(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, TOOLS), await ask(protocol, TOOLS, "tool-braces-first")
    for call in (0, 1):
        first, *rest = pieces_of(protocol, odd, call)
        assert first == "{}"
        assert "".join(rest) == "".join(pieces_of(protocol, usual, call))
        assert json.loads("".join(rest))["limit"] == call + 3


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
async def test_arguments_come_once_more(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, TOOLS), await ask(protocol, TOOLS, "tool-arguments-repeated")
    for call in (0, 1):
        *first, last = pieces_of(protocol, odd, call)
        assert last == "".join(first) == "".join(pieces_of(protocol, usual, call))
    if protocol == CHAT:
        assert [f["function"].get("name") for f in odd.fragments[-2:]] == ["get_weather", "get_time"]
    if protocol == RESPONSES:
        assert [data["sequence_number"] for data in odd.data] == list(range(len(odd.data)))


async def test_one_object_and_no_list(ask: Asker) -> None:
    usual, odd = await ask(CHAT, TOOLS), await ask(CHAT, TOOLS, "tool-calls-object")
    calls: list[Any] = [delta["tool_calls"] for delta in odd.deltas if "tool_calls" in delta]
    assert calls == usual.fragments
    assert all(isinstance(call, dict) for call in calls)


async def test_arguments_that_are_no_text(ask: Asker) -> None:
    odd = await ask(CHAT, TOOLS, "tool-arguments-value")
    assert [(f["function"]["name"], f["function"]["arguments"]["limit"]) for f in odd.fragments] == [
        ("get_weather", 3),
        ("get_time", 4),
    ]
