"""Events of a Messages stream whose types and values are not as the protocol has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.log.events import Usage
from shared.sse_decoder import ServerSentEvent
from tests.worker.providers.anthropic.conftest import Read
from tests.worker.providers.anthropic.test_reader import START, end, event, start, stop, text
from worker.providers.anthropic.event import read_messages_event


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def without_types(stream: bytes, put: dict[str, str] | None = None) -> bytes:
    """A stream whose events have their type in their name alone, or another one in their JSON."""
    blocks = []
    for block in stream.removesuffix(b"\n\n").split(b"\n\n"):
        name, _, value = block.partition(b"\ndata: ")
        fields = json.loads(value)
        del fields["type"]
        blocks.append(name + b"\ndata: " + json.dumps({**(put or {}), **fields}).encode() + b"\n\n")
    return b"".join(blocks)


@pytest.mark.parametrize("put", [{}, {"type": ""}, {"type": "delta"}, {"type": "chunk"}])
async def test_the_name_of_an_event_is_its_type(read: Read, put: dict[str, str]) -> None:
    got = await read(without_types(START + text(0, "Hel", "lo") + event("ping") + end(), put))
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "Hello"}])
    assert got.completed.usage == Usage(4, 2)


async def test_an_event_with_neither_shows_what_it_is(read: Read) -> None:
    got = await read(
        data({"message": {"id": "msg_1", "usage": {"input_tokens": 4}}})
        + data({"index": 0, "content_block": {"text": ""}})
        + data({"index": 0, "delta": {"text": "Hi"}})
        + data({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})
    )
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "Hi"}])
    assert (got.completed.response_id, got.completed.usage) == ("msg_1", Usage(4, 2))


async def test_scalars_of_other_types(read: Read) -> None:
    got = await read(
        START.replace(b'"msg_1"', b"17")
        + event("content_block_start", index="0", content_block={"type": "text", "text": 1})
        + event("content_block_delta", index=0.0, delta={"type": "text_delta", "text": 6})
        + event("content_block_delta", index="0", delta={"type": "text_delta", "text": "!", "thinking": ""})
        + event("content_block_stop", index="0")
        + end()
    )
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "16!"}])
    assert (got.completed.response_id, got.raw()) == ("17", [])


@pytest.mark.parametrize("counted", [[{"output_tokens": 2}], {"output_tokens": 2.5}, "many", {"input_tokens": {}}])
@pytest.mark.parametrize("place", ["usage", "delta"])
async def test_counts_that_are_none(read: Read, counted: Any, place: str) -> None:
    last: dict[str, Any] = {"delta": {"stop_reason": "end_turn"}}
    (last if place == "usage" else last["delta"])["usage"] = counted
    got = await read(START + text(0, "x") + event("message_delta", **last) + event("message_stop"))
    assert (got.error, got.completed.usage, got.parts()) == (None, None, [{"kind": "text", "text": "x"}])


async def test_counts_are_found_where_they_are(read: Read) -> None:
    delta = {"stop_reason": "end_turn", "usage": {"output_tokens": 7}}
    got = await read(START + text(0, "x") + event("message_delta", delta=delta) + event("message_stop"))
    assert (got.completed.usage, got.raw()) == (Usage(4, 7), [])
    stopped = event("message_delta", delta={"stop_reason": "end_turn"})
    got = await read(START + text(0, "x") + stopped + event("message_stop", usage={"output_tokens": 7}))
    assert got.completed.usage == Usage(4, 7)


@pytest.mark.parametrize("error", ["", {}, False, None, [], {"message": "", "code": 0}])
async def test_an_error_that_says_nothing(read: Read, error: Any) -> None:
    stream = START + text(0, "x") + end()
    got = await read(stream.replace(b"data: {", b'data: {"error": %s, ' % json.dumps(error).encode()))
    assert (got.error, got.parts(), got.raw()) == (None, [{"kind": "text", "text": "x"}], [])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"type": "error", "message": "SECRET", "code": 429}, "rate_limit"),
        ({"type": "error", "error": "SECRET"}, "provider_error"),
        ({"type": "ping", "error": {"type": "overloaded_error", "message": "SECRET"}}, "overloaded"),
        ({"type": "message_stop", "error": {"code": 503, "message": "SECRET"}}, "overloaded"),
        (
            {"type": "message_delta", "delta": {}, "base_resp": {"status_code": 1002, "status_msg": "SECRET"}},
            "rate_limit",
        ),
        ({"type": "overloaded_error", "message": "SECRET"}, "overloaded"),
    ],
)
async def test_an_error_in_an_event_of_any_type(read: Read, value: dict[str, Any], code: str) -> None:
    got = await read(START + text(0, "x") + data(value) + end())
    assert (got.failure.code, got.raw(), got.parts()) == (code, [], [{"kind": "text", "text": "x"}])
    assert "SECRET" not in f"{got.failure} {got.events}"


async def test_what_does_not_fit_is_kept(read: Read) -> None:
    got = await read(
        event("message_start", message={"id": {"a": 1}, "type": "message", "role": "assistant", "content": []})
        + start(0, "text", text="")
        + event("content_block_delta", index=0, delta={"type": "text_delta", "text": {"value": "x"}})
        + stop(0)
        + end()
    )
    assert got.raw() == [
        {"type": "message_start", "message": {"id": {"a": 1}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": {"value": "x"}}},
    ]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("message", {"type": "ping"}, "ping"),
        ("ping", {}, "ping"),
        ("message_stop", {"type": "x"}, "message_stop"),
        ("message", {"type": "x"}, "x"),
        ("message_start", {"type": "message"}, "message"),
        ("message", {"role": "assistant", "content": []}, "message"),
        ("message", {"a": 1}, ""),
    ],
)
def test_the_type_of_an_event(name: str, value: dict[str, Any], kind: str) -> None:
    event, _ = read_messages_event("acme", ServerSentEvent(name, json.dumps(value).encode(), ""))
    assert event.type == kind
