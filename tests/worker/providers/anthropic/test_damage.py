"""Damaged Messages streams: text, calls and counts stay equal, or the end is an honest failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.worker.providers.damage import KEEP_ALIVES, check, served, summary
from worker.providers.anthropic.reader import MessagesReader

Event = dict[str, Any]
TEXTS = st.text(st.sampled_from('ab {}"\\\té\u2028😀'), min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(0, 9), st.dictionaries(TEXTS, TEXTS)), max_size=2)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=4)) | {0, len(text)})
    return [text[begin:end] for begin, end in pairwise(cuts)]


def block(index: int, content: dict[str, Any], deltas: list[dict[str, Any]]) -> list[Event]:
    grown = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *grown,
        {"type": "content_block_stop", "index": index},
    ]


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """A good stream, as its events."""
    message: Event = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    events: list[Event] = [{"type": "message_start", "message": {**message, "usage": {"input_tokens": 4}}}]
    kinds = draw(st.lists(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use"]), max_size=5))
    for index, kind in enumerate(kinds):
        if kind == "text":
            said = [{"type": "text_delta", "text": piece} for piece in pieces(draw, draw(TEXTS))]
            events += block(index, {"type": "text", "text": ""}, said)
        elif kind == "thinking":
            thought = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(draw, draw(TEXTS))]
            thought.append({"type": "signature_delta", "signature": "c2ln"})
            events += block(index, {"type": "thinking", "thinking": "", "signature": ""}, thought)
        else:
            text = json.dumps(draw(ARGUMENTS))
            filled = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(draw, text)]]
            events += block(index, {"type": kind, "id": f"t{index}", "name": "rain", "input": {}}, filled)
    reason = "tool_use" if "tool_use" in kinds else draw(st.sampled_from(["end_turn", "max_tokens"]))
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}})
    return [*events, {"type": "message_stop"}]


def encoded(event: Event, name: str | None = None) -> bytes:
    name = name if name is not None else event["type"]
    named = f"event: {name}\n".encode() if name else b""
    return named + b"data: " + json.dumps(event).encode() + b"\n\n"


def of_call(events: list[Event], event: Event) -> bool:
    """Whether a block event is of a call, by the last start before it."""
    before = [each for each in events[: events.index(event) + 1] if each["type"] == "content_block_start"]
    return str(before[-1]["content_block"]["type"]).endswith("tool_use")


def twice(events: list[Event], how: str) -> list[Event]:
    """Says the input of each call once more: in its start, before it or after it."""
    changed: list[Event] = []
    whole = ""
    for event in events:
        delta = event.get("delta", {})
        if event["type"] == "content_block_start" and "input" in event["content_block"]:
            following = events[events.index(event) + 1 :]
            texts = [
                each["delta"].get("partial_json", "")
                for each in following
                if each.get("index") == event["index"] and "delta" in each
            ]
            whole = "".join(texts)
            if how == "start":
                event = {**event, "content_block": {**event["content_block"], "input": json.loads(whole)}}
            changed.append(event)
            if how == "before":
                filled = {"type": "input_json_delta", "partial_json": "{}"}
                changed.append({"type": "content_block_delta", "index": event["index"], "delta": filled})
            continue
        if event["type"] == "content_block_stop" and whole and how == "after":
            filled = {"type": "input_json_delta", "partial_json": whole}
            changed.append({"type": "content_block_delta", "index": event["index"], "delta": filled})
        if event["type"] == "content_block_stop":
            whole = ""
        if how == "value" and "partial_json" in delta:
            whole_now = whole if delta["partial_json"] == "" else ""
            event = {**event, "delta": {**delta, "partial_json": json.loads(whole_now) if whole_now else ""}}
        changed.append(event)
    return changed


INDICES: dict[str, Callable[[Event], Event]] = {
    "same": lambda event: event,
    "text": lambda event: {**event, "index": str(event["index"])},
    "float": lambda event: {**event, "index": float(event["index"])},
    "zero": lambda event: {**event, "index": 0},
    "none": lambda event: {name: value for name, value in event.items() if name != "index"},
    "next": lambda event: {**event, "index": event["index"] + 1} if "delta" in event else event,
    "all next": lambda event: event if "content_block" in event else {**event, "index": event["index"] + 1},
}


@given(streams(), st.data())
async def test_a_damaged_stream_is_whole_or_fails(good: list[Event], data: st.DataObject) -> None:
    whole = summary(await served(MessagesReader, [encoded(event) for event in good]))
    events = twice(good, data.draw(st.sampled_from(["", "start", "before", "after", "value"]), "the input twice"))
    dropped = data.draw(st.sets(st.sampled_from(["starts", "stops", "calls' starts", "end"])), "dropped")
    index = data.draw(st.sampled_from(list(INDICES)), "indices")
    sent: list[Event] = []
    for event in events:
        called = event["type"].startswith("content_block") and of_call(events, event)
        if event["type"] == "content_block_start" and ("calls' starts" if called else "starts") in dropped:
            continue
        if event["type"] == "content_block_stop" and "stops" in dropped:
            continue
        if event["type"] == "message_stop" and "end" in dropped:
            continue
        sent.append(INDICES[index](event) if "index" in event else event)
    out: list[bytes] = []
    for event in sent:
        change = data.draw(st.sampled_from(["", "", "no name", "no type", "another type", "an error", "a tab"]))
        fields = dict(event)
        if change in ("no type", "another type"):
            fields.pop("type")
        if change == "another type":
            fields["type"] = "chunk"
        if change == "an error":
            fields["error"] = data.draw(st.sampled_from(["", {}, False, None]))
        piece = encoded(fields, "" if change == "no name" else event["type"])
        out += [piece.replace(rb"\t", b"\t") if change == "a tab" and rb"\\" not in piece else piece]
        if event is not sent[-1]:
            out += data.draw(st.lists(st.sampled_from([*KEEP_ALIVES, encoded({"type": "ping"})]), max_size=1))
    cut = data.draw(st.sampled_from(["", "blank line", "connection", "done"]), "cut")
    if cut == "blank line":
        out[-1] = out[-1].rstrip(b"\n")
    elif cut == "done":
        out.append(b"data: [DONE]\n\n")
    got = await served(MessagesReader, out, broken=cut == "connection")
    check(got, whole, lossless="calls' starts" not in dropped)


@given(streams(), st.data())
async def test_a_stream_that_is_cut_is_no_answer(good: list[Event], data: st.DataObject) -> None:
    whole = summary(await served(MessagesReader, [encoded(event) for event in good]))
    pieces = [encoded(event) for event in good]
    kept = data.draw(st.integers(0, len(pieces) - 1))
    got = await served(MessagesReader, pieces[:kept], broken=data.draw(st.booleans()))
    check(got, whole, lossless=kept == len(pieces) - 1)
    assert (got.error is None) == (kept == len(pieces) - 1)


@given(streams(), st.data())
async def test_a_whole_message_says_the_same(good: list[Event], data: st.DataObject) -> None:
    whole = summary(await served(MessagesReader, [encoded(event) for event in good]))
    content: list[dict[str, Any]] = []
    for event in good:
        match event["type"]:
            case "content_block_start":
                content.append(dict(event["content_block"]))
            case "content_block_delta":
                for name, value in event["delta"].items():
                    if name == "partial_json":
                        content[-1]["text of it"] = content[-1].get("text of it", "") + value
                    elif name != "type":
                        content[-1][name] = content[-1].get(name, "") + value
            case "content_block_stop" if "input" in content[-1]:
                content[-1]["input"] = json.loads(content[-1].pop("text of it"))
    delta = good[-2]["delta"]
    message = {**good[0]["message"], "content": content, **delta, "usage": {"input_tokens": 4, "output_tokens": 2}}
    check(await served(MessagesReader, [json.dumps(message).encode()]), whole, lossless=True)
    # It comes again in the stream that follows, or has come in the one before.
    again = [{"type": "message_start", "message": {**message, "stop_reason": None}}, *good[1:]]
    check(await served(MessagesReader, [encoded(event) for event in again]), whole, lossless=True)
    check(await served(MessagesReader, [encoded(event) for event in [*again[:1], *good[-2:]]]), whole, lossless=True)
    before = [*good[:-2], {**message}, *good[-2:]]
    check(await served(MessagesReader, [encoded(event) for event in before]), whole, lossless=True)
