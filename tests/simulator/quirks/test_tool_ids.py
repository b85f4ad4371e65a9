"""Tool calls that index and id do not tell apart."""

import json
from typing import Any

import pytest

from tests.simulator.quirks.asked import CHAT, GEMINI, MESSAGES, RESPONSES, TOOLS, Answered, Asker


def calls_of(answer: Answered) -> list[tuple[str, Any]]:
    """Calls of Chat by the names: each begins a new one."""
    calls: list[list[str]] = []
    for fragment in answer.fragments:
        if "name" in fragment["function"]:
            calls.append([fragment["function"]["name"], ""])
        calls[-1][1] += fragment["function"]["arguments"]
    return [(name, json.loads(arguments)) for name, arguments in calls]


async def usual_calls(ask: Asker) -> list[tuple[str, Any]]:
    message = json.loads((await ask(CHAT, TOOLS, stream=False)).body)["choices"][0]["message"]
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message["tool_calls"]]


@pytest.mark.parametrize(
    ("quirk", "indices", "ids", "chunks"),
    [
        ("tool-index-zero", {0}, {None}, 8),
        ("tool-index-none", {None}, {None}, 8),
        ("tool-index-zero-whole", {0}, {None}, 2),
        ("tool-index-zero-together", {0}, {""}, 1),
        ("tool-index-none-together", {None}, {None}, 1),
    ],
)
async def test_parallel_calls_one_after_the_other(
    ask: Asker, quirk: str, indices: set[int | None], ids: set[str | None], chunks: int
) -> None:
    odd = await ask(CHAT, TOOLS, quirk)
    assert {fragment.get("index") for fragment in odd.fragments} == indices
    assert {fragment.get("id") for fragment in odd.fragments} == ids
    assert sum("tool_calls" in delta for delta in odd.deltas) == chunks
    assert calls_of(odd) == await usual_calls(ask)
    assert odd.reasons[-1] == "tool_calls"


@pytest.mark.parametrize(
    ("quirk", "first", "later"),
    [
        ("tool-id-blank", "", {None}),
        ("tool-id-missing", None, {None}),
        ("tool-id-late", None, {None, "own"}),
        ("tool-id-per-fragment", "call_0_0", {"call_0_1", "call_0_2", "call_0_3"}),
    ],
)
async def test_ids_of_fragments(ask: Asker, quirk: str, first: str | None, later: set[str | None]) -> None:
    usual, odd = await ask(CHAT, TOOLS), await ask(CHAT, TOOLS, quirk)
    own = usual.fragments[0]["id"]
    ids = [fragment.get("id") for fragment in odd.fragments if fragment["index"] == 0]
    assert ids[0] == first
    assert {"own" if id == own else id for id in ids[1:]} == later
    assert [f["function"] for f in odd.fragments] == [f["function"] for f in usual.fragments]


@pytest.mark.parametrize("protocol", [RESPONSES, MESSAGES, GEMINI])
@pytest.mark.parametrize(("quirk", "expected"), [("tool-id-blank", ""), ("tool-id-missing", None)])
async def test_ids_of_whole_calls(ask: Asker, protocol: str, quirk: str, expected: str | None) -> None:
    odd = await ask(protocol, TOOLS, quirk)
    found: list[Any] = []

    def look(value: Any) -> None:
        """All objects that call a tool."""
        if isinstance(value, dict):
            if "name" in value and ("args" in value or "input" in value or "arguments" in value):
                found.append(value.get("call_id" if protocol == RESPONSES else "id"))
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(odd.data)
    assert len(found) == (6 if protocol == RESPONSES else 2)
    assert set(found) == {expected}
    if protocol == RESPONSES:
        assert all(item["id"] for data in odd.data if (item := data.get("item")))
