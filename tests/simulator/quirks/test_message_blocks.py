"""Messages whose deltas do not fit the blocks."""

from tests.simulator.quirks.asked import MESSAGES, TOOLS, Answered, Asker


def blocks(answer: Answered, name: str) -> list[int | None]:
    return [data.get("index") for event, data in answer.events if event == f"content_block_{name}"]


async def test_no_start(ask: Asker) -> None:
    usual, odd = await ask(MESSAGES, TOOLS), await ask(MESSAGES, TOOLS, "block-start-missing")
    assert blocks(usual, "start") == [0, 1, 2]
    assert blocks(odd, "start") == [1, 2]
    assert blocks(odd, "stop") == [0, 1, 2]
    assert odd.text == usual.text


async def test_neither_start_nor_stop(ask: Asker) -> None:
    usual, odd = await ask(MESSAGES, TOOLS), await ask(MESSAGES, TOOLS, "blocks-missing")
    assert blocks(odd, "start") == blocks(odd, "stop") == [1, 2]
    assert odd.text == usual.text


async def test_other_indices(ask: Asker) -> None:
    odd = await ask(MESSAGES, TOOLS, "block-index-other")
    assert blocks(odd, "start") == [0, 1, 2]
    assert set(blocks(odd, "delta")) == {1, 2, 3}
    zero = await ask(MESSAGES, TOOLS, "block-index-zero")
    assert {*blocks(zero, "start"), *blocks(zero, "delta"), *blocks(zero, "stop")} == {0}
    none = await ask(MESSAGES, TOOLS, "block-index-missing")
    assert {*blocks(none, "start"), *blocks(none, "delta"), *blocks(none, "stop")} == {None}
