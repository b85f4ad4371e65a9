"""Chat with `message` in the place of `delta`, or beside it, and content in other shapes: all of it once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.log.events import Raw
from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, STOP, chunk
from worker.providers.openai_chat.chunk import ChunkDelta
from worker.providers.openai_chat.message import MessageReader
from worker.providers.openai_chat.parts import ChatParts

CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
CITED = {"type": "url_citation", "url_citation": {"url": "https://example.com/"}}
MESSAGE: dict[str, Any] = {
    "role": "assistant", "content": "Hello there", "reasoning_content": "Hm.", "annotations": [CITED], "refusal": None,
    "tool_calls": [CALL],
}  # fmt: skip
PARTS: list[dict[str, Any]] = [
    {"kind": "reasoning", "text": "Hm."},
    {"kind": "text", "text": "Hello there", "annotations": [CITED]},
    {"kind": "tool_call", "text": '{"city":"Bonn"}', "call_id": "a", "name": "weather", "executor": "client"},
]
DELTAS: list[dict[str, Any]] = [
    {"reasoning_content": "Hm."},
    {"content": "Hello "},
    {"content": "there"},
    {"annotations": [CITED]},
    {"tool_calls": [{"index": 0, **CALL}]},
]
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def said(message: Any, finish: str | None = None, **choice: Any) -> bytes:
    return chunk(choices=[{"index": 0, "message": message, "finish_reason": finish, **choice}])


def so_far(length: int) -> dict[str, Any]:
    """The message as it stands after so many deltas."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for delta in DELTAS[:length]:
        message |= {"content": message["content"] + delta["content"]} if "content" in delta else delta
    return message


BESIDE = [chunk(choices=[{"index": 0, "delta": delta, "message": so_far(n + 1)}]) for n, delta in enumerate(DELTAS)]


@pytest.mark.parametrize("end", [b"", DONE])
@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([said(MESSAGE, "tool_calls")], id="whole"),
        pytest.param([said(MESSAGE), said(MESSAGE, "tool_calls")], id="whole, twice"),
        pytest.param(
            [said(MESSAGE, "tool_calls", delta={"role": None, "content": "", "tool_calls": None})], id="beside"
        ),
        pytest.param([*map(chunk, DELTAS), said(MESSAGE, "tool_calls")], id="once more"),
        pytest.param([*BESIDE, said(MESSAGE, "tool_calls", delta={"content": ""})], id="beside each delta"),
        pytest.param([said(so_far(n + 1)) for n in range(5)] + [said(MESSAGE, "tool_calls")], id="grows"),
        pytest.param([*map(said, DELTAS), said({"content": ""}, "tool_calls")], id="pieces"),
        pytest.param([*map(chunk, DELTAS[:2]), said(MESSAGE, "tool_calls")], id="has more"),
    ],
)
async def test_a_message_is_said_once(read: Read, pieces: list[bytes], end: bytes) -> None:
    got = await read(*pieces, end)
    assert (got.error, got.raw()) == (None, [])
    parts = got.parts()
    assert [(part["kind"], part["text"]) for part in parts] == [(part["kind"], part["text"]) for part in PARTS]
    assert [part for part in parts if part["kind"] != "text"] == [part for part in PARTS if part["kind"] != "text"]
    assert got.completed.finish_reason == "tool_calls"


@pytest.mark.parametrize("frame", [b"%s", b"data: %s\n\n", b"[%s]", b"data: %s\n\ndata: [DONE]\n\n"])
async def test_a_whole_answer_in_one_document_or_event(read: Read, frame: bytes) -> None:
    choice = {"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}
    answer = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}
    got = await read(frame % json.dumps(answer).encode())
    assert (got.error, got.parts()) == (None, PARTS)
    assert (got.completed.finish_reason, got.completed.response_id) == ("tool_calls", "c")
    assert got.completed.usage is not None
    assert got.completed.usage.output_tokens == 3


async def test_a_message_that_contradicts_its_deltas_is_kept(read: Read) -> None:
    got = await read(chunk({"content": "Hello"}) + said({"role": "assistant", "content": "Bye"}, "stop") + DONE)
    assert got.parts() == [{"kind": "text", "text": "Hello"}]
    assert got.raw() == [{"message": {"role": "assistant", "text": "Bye"}}]


async def test_a_message_with_sound_and_images_is_heard_once(read: Read) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    message = {"content": None, "audio": {"id": "s", "data": "aGk=", "transcript": "Peep."}, "images": [image]}
    got = await read(said(message) + said(message, "stop") + DONE)
    assert sorted((part["kind"], part["text"]) for part in got.parts()) == [
        ("file", "aGk="), ("file", "aGk="), ("text", "Peep."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (["He", "llo"], "Hello"),
        ([{"type": "text", "text": "He"}, "l", ["l", "o"]], "Hello"),
        ([{"text": "Hello"}], "Hello"),
        ({"type": "text", "text": "Hello"}, "Hello"),
        ([{"type": "output_text", "text": "Hello", "annotations": []}], "Hello"),
        ([{"type": "text", "text": {"value": "Hello"}}], "Hello"),
        (6, "6"),
        (1.5, "1.5"),
        (True, "true"),
        ([6, 7], "67"),
    ],
)
async def test_content_of_other_types(read: Read, content: Any, text: str) -> None:
    assert (await read(chunk({"content": content}) + STOP)).parts() == [{"kind": "text", "text": text}]
    assert (await read(said({"content": content}, "stop") + DONE)).parts() == [{"kind": "text", "text": text}]


async def test_scalars_of_other_types(read: Read) -> None:
    odd: dict[str, Any] = {"id": 5, "object": None, "created": "1", "model": 7, "error": ""}
    choice = {"index": "0", "delta": {"content": "x"}, "finish_reason": None}
    got = await read(
        chunk(choices=choice, **odd)
        + chunk(choices=[{**choice, "delta": "y"}], error={})
        + chunk({}, "stop", error=False)
    )
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "xy"}])
    assert (got.completed.response_id, got.response.model) == ("5", "7")


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": 1.5}, [1, 2], "many", 7, [{"prompt_tokens": 5}], {"prompt_tokens": -1}]
)
async def test_odd_counts_take_nothing_from_the_answer(read: Read, usage: Any) -> None:
    got = await read(chunk({"content": "x"}) + chunk({}, "stop", usage=usage) + DONE)
    assert (got.error, got.parts(), got.completed.usage) == (None, [{"kind": "text", "text": "x"}], None)


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_text": "Hm."},
        {"thinking": "Hm."},
        {"thinking": {"text": "Hm."}},
        {"reasoning": [{"type": "text", "text": "Hm."}]},
        {"reasoning": {"content": "Hm."}},
        {"reasoning": {"summary": [{"type": "summary_text", "text": "Hm."}]}},
        {"reasoning_content": ["H", "m."]},
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
        {"content": [{"type": "thinking", "thinking": ["H", {"type": "text", "text": "m."}], "closed": True}]},
        {"content": [{"type": "reasoning", "text": "Hm."}]},
    ],
)
async def test_reasoning_under_other_names(read: Read, delta: dict[str, Any]) -> None:
    parts = [{"kind": "reasoning", "text": "Hm."}, {"kind": "text", "text": "So."}]
    assert (await read(chunk(delta) + chunk({"content": "So."}) + STOP)).parts() == parts
    again = said(
        delta | ({"content": [*delta["content"], "So."]} if "content" in delta else {"content": "So."}), "stop"
    )
    assert (await read(again + DONE)).parts() == parts
    # Also where the message repeats it.
    assert (await read(chunk(delta) + chunk({"content": "So."}) + again + DONE)).parts() == parts


async def test_what_copilot_wants_back_is_kept_once(read: Read) -> None:
    got = await read(
        chunk({"reasoning_text": "Hm"}) + chunk({"reasoning_text": "m.", "content": ""}) + chunk({"content": "So."})
        + chunk({"reasoning_opaque": "b3A="}) + chunk({"reasoning_opaque": "b3A="}, "stop") + DONE
    )  # fmt: skip
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm."},
        {"kind": "text", "text": "So."},
        {"kind": "reasoning", "text": "", "encrypted": "b3A=", "provider": "copilot"},
    ]


async def test_what_databricks_signs(read: Read) -> None:
    def summary(text: str, signature: str) -> bytes:
        piece = {"type": "summary_text", "text": text, "signature": signature}
        return chunk({"content": [{"type": "reasoning", "summary": [piece]}]})

    got = await read(summary("Hm", "") + summary("m.", "") + summary("", "c2ln") + chunk({"content": ["So."]}) + STOP)
    signed = {"signature": "c2ln", "provider": "databricks"}
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm.", "summary": True, **signed},
        {"kind": "text", "text": "So."},
    ]


def test_what_is_kept_is_told_in_proportion() -> None:
    parts = ChatParts()
    message = MessageReader("acme", parts)
    for n in range(9):
        message.grow(ChunkDelta(content="x"))
        message.keep(n=n, stamp="s", self="x")
    message.finish()
    raw = [event.data["delta"] for event in parts.events if isinstance(event, Raw)]
    assert raw == [{"n": 0, "stamp": "s", "self": "x"}, {"n": 1}, {"n": 8}]
    assert message.reconcile(ChunkDelta(content="x" * 9)) == {}


async def test_a_thought_is_told_once_where_it_comes_again_with_its_signature(read: Read) -> None:
    def signed(text: str, signature: str) -> dict[str, Any]:
        return {"reasoning_details": [{"type": "reasoning.text", "text": text, "signature": signature}]}

    pieces = [{"reasoning_content": "Hm"}, {"reasoning_content": "."}, signed("Hm.", "A")]
    pieces += [{"reasoning_content": "So."}, signed("So.", "B"), {"content": "Hi"}]
    got = await read(*[chunk(choices=[{"index": 0, "delta": delta}]) for delta in pieces], STOP, DONE)
    thoughts = [(part["text"], part["signature"]) for part in got.parts() if part["kind"] == "reasoning"]
    assert thoughts == [("Hm.", "A"), ("So.", "B")]


async def test_a_last_piece_of_a_thought_that_is_like_the_one_before_is_no_repetition(read: Read) -> None:
    listed = [{"type": "reasoning.text", "text": text} for text in ("Hm", ".", ".")]
    listed[-1]["signature"] = "A"
    got = await read(
        *[chunk(choices=[{"index": 0, "delta": {"reasoning_details": [one]}}]) for one in listed], STOP, DONE
    )
    assert [part["text"] for part in got.parts()] == ["Hm.."]
