"""Names of tools in Chat: late, in pieces, in each fragment, in none."""

from itertools import groupby
from typing import Any

import pytest

from tests.simulator.quirks.asked import CHAT, TOOLS, Asker

ABSENT = "(absent)"


def names_of(fragments: list[Any], index: int) -> list[str | None]:
    """The name in each fragment of a call."""
    return [f.get("function", {}).get("name", ABSENT) for f in fragments if f["index"] == index]


@pytest.mark.parametrize(
    ("quirk", "names"),
    [
        ("tool-name-late", [ABSENT, "get_weather", ABSENT]),
        ("tool-name-null", [None, "get_weather", ABSENT]),
        ("tool-name-empty", ["", "get_weather", ABSENT]),
        ("tool-id-first", [ABSENT, "get_weather", ABSENT]),
        ("tool-name-pieces", ["", "get_", "weather"]),
        ("tool-name-repeated", ["get_weather"] * 3),
        ("tool-nameless", [ABSENT] * 3),
    ],
)
async def test_where_the_name_is(ask: Asker, quirk: str, names: list[str | None]) -> None:
    usual, odd = await ask(CHAT, TOOLS), await ask(CHAT, TOOLS, quirk)
    assert names_of(odd.fragments, 0)[:3] == names
    assert names_of(usual.fragments, 0)[:3] == ["get_weather", ABSENT, ABSENT]
    assert len(names_of(odd.fragments, 1)) == len(names_of(usual.fragments, 1)) == 4
    for index in (0, 1):
        assert arguments(odd.fragments, index) == arguments(usual.fragments, index)


def arguments(fragments: list[Any], index: int) -> str:
    return "".join(f["function"]["arguments"] for f in fragments if f["index"] == index and "function" in f)


async def test_only_an_id_comes_first(ask: Asker) -> None:
    first = next(f for f in (await ask(CHAT, TOOLS, "tool-id-first")).fragments)
    assert set(first) == {"index", "id", "type"}


async def test_fragments_alternate_as_ever(ask: Asker) -> None:
    odd = await ask(CHAT, TOOLS, "tool-name-late")
    assert [index for index, _ in groupby(f["index"] for f in odd.fragments)] == [0, 1] * 3
