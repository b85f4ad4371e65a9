"""Content blocks whose starts, ends and indices are missing or wrong, as gateways send them, over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta, Part
from tests.worker.providers.anthropic.conftest import Read
from tests.worker.providers.anthropic.test_reader import PING, START, end, event, grow, start, stop, text
from worker.providers.anthropic.content_blocks import ContentBlocks
from worker.providers.anthropic.event import EventDelta
from worker.providers.provider import ProviderEvent


def say(index: int, *texts: str) -> bytes:
    return b"".join(grow(index, "text_delta", text=said) for said in texts)


def think(index: int, said: str) -> bytes:
    return grow(index, "thinking_delta", thinking=said)


def fill(index: int, *pieces: Any) -> bytes:
    return b"".join(grow(index, "input_json_delta", partial_json=piece) for piece in pieces)


def use(index: int, call_id: str, **fields: Any) -> bytes:
    return start(index, "tool_use", **{"id": call_id, "name": "rain", "input": {}, **fields})


def call(call_id: str, arguments: str = '{"x":1}') -> dict[str, Any]:
    return {"kind": "tool_call", "text": arguments, "call_id": call_id, "name": "rain", "executor": "client"}


SAID = {"kind": "text", "text": "Hello"}
THOUGHT = {"kind": "reasoning", "text": "Hm."}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param(say(0, "Hel", "lo") + stop(0), [SAID], id="no start"),
        pytest.param(say(0, "Hel", "lo"), [SAID], id="neither start nor stop"),
        pytest.param(think(0, "Hm.") + stop(0) + say(1, "Hel", "lo"), [THOUGHT, SAID], id="no starts"),
        pytest.param(think(0, "Hm.") + say(0, "Hel", "lo"), [THOUGHT, SAID], id="no starts, one index"),
        pytest.param(think(-1, "Hm.") + say(-1, "Hello"), [THOUGHT, SAID], id="no index"),
        pytest.param(
            start(0, "thinking", thinking="") + think(0, "Hm.") + say(0, "Hello"),
            [THOUGHT, SAID],
            id="text in a block of thinking",
        ),
        pytest.param(
            start(2, "text", text="") + say(3, "Hello") + stop(2) + start(4, "text", text="") + say(5, "Hello"),
            [SAID, SAID],
            id="the next index",
        ),
        pytest.param(
            start(0, "text", text="") + say(0, "Hel") + say(9, "lo") + stop(0), [SAID], id="one delta elsewhere"
        ),
        pytest.param(
            start(0, "text", text="")
            + say(0, "Hello")
            + start(0, "thinking", thinking="")
            + think(0, "Hm.")
            + stop(0)
            + say(1, "Hello"),
            [SAID, THOUGHT, SAID],
            id="a start in place of a stop",
        ),
        pytest.param(
            start(0, "hologram", x=1) + say(0, "Hello") + stop(0), [SAID], id="text in a block of an unknown type"
        ),
        pytest.param(
            grow(0, "signature_delta", signature="c2ln"),
            [{"kind": "reasoning", "text": "", "signature": "c2ln", "provider": "anthropic"}],
            id="a signature without a start",
        ),
        pytest.param(
            think(1, "Hm.") + grow(1, "signature_delta", signature="c2ln") + stop(1),
            [{**THOUGHT, "signature": "c2ln", "provider": "anthropic"}],
            id="a signature without any start",
        ),
        pytest.param(event("content_block_start", index=0, content_block={"text": "Hello"}), [SAID], id="no type"),
    ],
)
async def test_texts(read: Read, blocks: bytes, expected: list[dict[str, Any]]) -> None:
    got = await read(START + PING + blocks + end())
    assert (got.error, got.parts()) == (None, expected)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param(
            use(0, "a") + fill(1, '{"x":', "1}") + stop(1) + use(1, "b") + fill(2, '{"x":', "1}") + stop(2),
            [call("a"), call("b")],
            id="the next index",
        ),
        pytest.param(
            use(1, "a") + fill(0, '{"x":', "1}") + stop(0) + use(2, "b") + fill(1, '{"x":', "1}") + stop(1),
            [call("a"), call("b")],
            id="the index before",
        ),
        pytest.param(
            use(0, "a") + fill(0, '{"x":', "1}") + use(0, "b") + fill(0, '{"x":', "1}") + stop(0),
            [call("a"), call("b")],
            id="one index and no stop",
        ),
        pytest.param(
            use(0, "") + fill(0, '{"x":1}') + use(0, "") + fill(0, '{"x":2}'),
            [call("call_0"), call("call_1", '{"x":2}')],
            id="one index and no id",
        ),
        pytest.param(
            use(0, "a") + use(1, "b") + fill(0, '{"x":') + fill(1, '{"x":') + fill(0, "1}") + fill(1, "1}"),
            [call("a"), call("b")],
            id="in turn",
        ),
        pytest.param(use(0, "a", input={"x": 1}) + fill(0, '{"x":1}') + stop(0), [call("a")], id="twice"),
        pytest.param(use(0, "a") + fill(0, "{}", '{"x":', "1}") + stop(0), [call("a")], id="a placeholder"),
        pytest.param(use(0, "a") + fill(0, '{"x":', "1}", '{"x":1}') + stop(0), [call("a")], id="once more"),
        pytest.param(use(0, "a", input='{"x":1}') + stop(0), [call("a")], id="as text in the start"),
        pytest.param(use(0, "a", arguments='{"x":1}') + stop(0), [call("a")], id="as arguments in the start"),
        pytest.param(
            use(0, "a")
            + event(
                "content_block_stop",
                index=0,
                content_block={"type": "tool_use", "id": "a", "name": "rain", "input": {"x": 1}},
            ),
            [call("a", '{"x": 1}')],
            id="in the stop",
        ),
        pytest.param(use(0, "a") + fill(0, {"x": 1}) + stop(0), [call("a", '{"x": 1}')], id="as a value"),
        pytest.param(use(0, "a", type=None) + fill(0, '{"x":1}'), [call("a")], id="no type"),
        pytest.param(
            use(0, "", name="") + fill(0, '{"x":') + use(0, "a") + fill(0, "1}") + stop(0),
            [call("a")],
            id="a late name",
        ),
        pytest.param(fill(0, '{"x":') + use(0, "a") + fill(0, "1}") + stop(0), [call("a")], id="a late start"),
        pytest.param(use(0, "a") + use(0, "a") + fill(0, '{"x":1}') + stop(0), [call("a")], id="its start twice"),
        pytest.param(say(0, "Hello") + use(0, "a") + fill(0, '{"x":1}'), [SAID, call("a")], id="after a text"),
    ],
)
async def test_calls(read: Read, blocks: bytes, expected: list[dict[str, Any]]) -> None:
    got = await read(START + blocks + end("tool_use"))
    assert (got.error, got.parts(), got.completed.finish_reason) == (None, expected, "tool_calls")


async def test_a_call_that_never_gets_a_name_is_none(read: Read) -> None:
    got = await read(START + text(0, "Hello") + use(1, "a", name="") + fill(1, '{"x":1}') + stop(1) + end())
    assert (got.error, got.parts(), got.completed.finish_reason) == (None, [SAID], "stop")
    block = {"type": "tool_use", "id": "a", "input": '{"x":1}'}
    assert got.raw() == [{"type": "content_block_start", "index": 1, "content_block": block}]
    got = await read(START + use(0, "a") + stop(0) + use(1, "b", name="") + stop(1) + end("tool_use"))
    assert (got.error, got.parts()) == (None, [call("a", "{}")])


@pytest.mark.parametrize("last", [end("tool_use"), event("message_delta", delta={"stop_reason": "tool_use"})])
@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(text(0, "Hello"), id="no call"),
        pytest.param(b"", id="nothing"),
        pytest.param(fill(0, '{"x":1}') + stop(0), id="a call without its start"),
        pytest.param(use(0, "a") + stop(0) + fill(1, '{"x":1}'), id="the second without its start"),
        pytest.param(text(0, "Hello") + fill(1, '{"x":1}'), id="a call without its start, after a text"),
        pytest.param(use(0, "a") + fill(0, '{"x":1}') + fill(1, '{"y":', "2}"), id="the second in the first"),
    ],
)
async def test_calls_that_are_missing_are_asked_for_again(read: Read, blocks: bytes, last: bytes) -> None:
    got = await read(START + blocks + last)
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)


async def test_a_call_without_its_start_is_missing_whatever_the_reason(read: Read) -> None:
    got = await read(START + text(0, "Hello") + fill(1, '{"x":1}') + end("end_turn"))
    assert got.failure.code == "incomplete_stream"


async def test_a_limit_may_have_cut_a_call(read: Read) -> None:
    got = await read(START + use(0, "a") + fill(0, '{"x":') + end("max_tokens"))
    assert (got.error, got.completed.finish_reason) == (None, "length")


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "stop", "END_TURN", None])
async def test_a_call_is_the_finish_reason(read: Read, reason: str | None) -> None:
    got = await read(START + use(0, "a") + fill(0, '{"x":1}') + stop(0) + end(reason))
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("tool_calls", reason)


def test_a_text_is_said_at_once() -> None:
    blocks, events = ContentBlocks(), list[ProviderEvent]()
    assert blocks.grow(0, EventDelta(type="text_delta", text="Hi"), events)
    assert events == [Part(part=0, kind="text"), Delta(part=0, kind="text", delta="Hi")]
    assert not blocks.grow(0, EventDelta(type="hologram_delta", text="Hi"), events)
    assert not blocks.stop(1, events)
    assert blocks.stop(0, events)
