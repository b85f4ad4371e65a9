"""Good streams, damaged as endpoints damage them: what they say stays the same, or the end is an honest failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.log.events import Usage
from tests.worker.providers.upstream import Outcome
from worker.providers.answer_decoder import AnswerDecoder
from worker.providers.answer_reading import read_end, read_event
from worker.providers.openai_chat.reader import ChatReader
from worker.providers.provider import ProviderError, ProviderEvent

Chunk = dict[str, Any]
Change = Callable[[list[Chunk], st.DataObject], list[Chunk]]

COUNTS = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Said:
    """What an answer says, however."""

    reasoning: str
    text: str
    calls: tuple[tuple[str, str], ...]
    usage: Usage | None


def said(got: Outcome) -> Said:
    parts = got.parts()
    calls = [part for part in parts if part["kind"] == "tool_call"]
    assert len({part["call_id"] for part in calls}) == len(calls)
    return Said(
        "".join(part["text"] for part in parts if part["kind"] == "reasoning"),
        "".join(part["text"] for part in parts if part["kind"] == "text"),
        tuple((part["name"], json.dumps(json.loads(part["text"]))) for part in calls if got.error is None),
        got.completed.usage if got.error is None else None,
    )


def read(stream: bytes) -> Outcome:
    """What becomes of these bytes, as `follow` reads them."""
    reader, decoder = ChatReader("acme"), AnswerDecoder()
    events: list[ProviderEvent] = []
    try:
        for event in decoder.feed(stream):
            read_event("acme", reader, event, events)
        if not reader.ended:
            read_end("acme", reader, decoder, events, silent=False)
    except ProviderError as error:
        return Outcome([events], error)
    return Outcome([events], None)


def frames(chunks: list[Chunk]) -> list[bytes]:
    return [b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks]


words = st.text(st.sampled_from('ab1 {}"\\é😀\n'), min_size=1, max_size=4)
names = st.sampled_from(["get_weather", "time", "Search2"])
arguments = st.dictionaries(st.text("xy", min_size=1), words | st.integers() | st.lists(st.integers()), min_size=1)


def delta(fields: Chunk, finish: str | None = None) -> Chunk:
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def cut(text: str, data: st.DataObject) -> list[str]:
    places = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=3))})
    return [text[start:end] for start, end in pairwise(places)]


def answer(data: st.DataObject) -> list[Chunk]:
    """A good stream: reasoning, text and calls in fragments, one call after the other, then the finish and counts."""
    chunks = [delta({"reasoning_content": word}) for word in data.draw(st.lists(words, max_size=3))]
    chunks += [delta({"content": word}) for word in data.draw(st.lists(words, max_size=5))]
    calls = data.draw(st.lists(st.tuples(names, arguments), max_size=3))
    for index, (name, value) in enumerate(calls):
        head = {"index": index, "id": f"call_{index}x", "type": "function", "function": {"name": name, "arguments": ""}}
        chunks.append(delta({"tool_calls": [head]}))
        chunks += [
            delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            for piece in cut(json.dumps(value), data)
        ]
    chunks.append(delta({}, "tool_calls" if calls else "stop"))
    return [*chunks, {"id": "c", "choices": [], "usage": COUNTS}]


def fragments(chunks: list[Chunk]) -> list[Chunk]:
    """The fragments of calls in these chunks."""
    found = [choice.get("delta", {}).get("tool_calls", ()) for chunk in chunks for choice in chunk["choices"]]
    return [call for calls in found for call in ([calls] if isinstance(calls, dict) else calls)]


def whole(chunks: list[Chunk]) -> Chunk:
    """The message that these chunks add up to."""
    message: Chunk = {"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": []}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for field in ("content", "reasoning_content"):
                message[field] += choice.get("delta", {}).get(field, "")
            for call in choice.get("delta", {}).get("tool_calls", ()):
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(deepcopy(call))
                else:
                    message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return message


def unchanged(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    return chunks


def name_in_each(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    known: dict[int, Chunk] = {}
    for call in fragments(chunks):
        known.setdefault(call["index"], call)
        call["function"]["name"] = known[call["index"]]["function"]["name"]
        if data.draw(st.booleans()):
            call["id"] = known[call["index"]]["id"]
    return chunks


def name_in_pieces(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    made: list[Chunk] = []
    for chunk in chunks:
        named = [call for call in fragments([chunk]) if "name" in call["function"]]
        made.append(chunk)
        for call in named:
            name = call["function"].pop("name")
            call["function"]["name"] = data.draw(st.sampled_from(["", None]))
            pieces = cut(name, data)
            assume(
                not any(after.startswith(before) for before, after in zip(accumulate(pieces), pieces[1:], strict=False))
            )
            made += [delta({"tool_calls": [{"index": call["index"], "function": {"name": piece}}]}) for piece in pieces]
    return made


def other_ids(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for number, call in enumerate(fragments(chunks)):
        call["id"] = f"id_{number}"
    return chunks


def no_ids(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    calls = whole(chunks)["tool_calls"]
    # Two equal calls that nothing tells apart are one.
    assume(all(before["function"] != after["function"] for before, after in pairwise(calls)))
    for call in fragments(chunks):
        call |= {"id": "", "index": 0}
    return chunks


def more_arguments(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    """Empty ones before, or all of them again behind those of each call."""
    before, again = data.draw(st.booleans()), data.draw(st.booleans())
    indent = data.draw(st.sampled_from([None, 1]))
    calls = whole(chunks)["tool_calls"]
    made: list[Chunk] = []
    for chunk, following in zip(chunks, [*chunks[1:], {"choices": []}], strict=True):
        made.append(chunk)
        for call in fragments([chunk]):
            index = call["index"]
            if before and "id" in call:
                made.append(delta({"tool_calls": [{"index": index, "function": {"arguments": "{}"}}]}))
            if again and not any(later["index"] == index for later in fragments([following])):
                value = json.dumps(json.loads(calls[index]["function"]["arguments"]), indent=indent)
                made += [
                    delta({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
                    for piece in cut(value, data)
                ]
    return made


def as_objects(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    calls = whole(chunks)["tool_calls"]
    for call in calls:
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    rest = [chunk for chunk in chunks if not fragments([chunk])]
    return [*rest[:-2], *(delta({"tool_calls": call}) for call in calls), *rest[-2:]]


CALLS: list[Change] = [
    unchanged, name_in_each, name_in_pieces, other_ids, no_ids, more_arguments, as_objects,
]  # fmt: skip


def message_once_more(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    finish = chunks[-2]["choices"][0]
    finish["message"] = whole(chunks)
    if data.draw(st.booleans()):
        del finish["delta"]
    return chunks


def message_so_far(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    alone = data.draw(st.booleans())
    messages = [whole(chunks[: count + 1]) for count in range(len(chunks))]
    for chunk, message in zip(chunks, messages, strict=True):
        for choice in chunk["choices"]:
            choice["message"] = message
            if alone:
                del choice["delta"]
    return chunks


def message_for_delta(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for field in ("content", "reasoning_content"):
        pieces = [choice["delta"].get(field, "") for chunk in chunks for choice in chunk["choices"]]
        pieces = [piece for piece in pieces if piece]
        # A piece that begins with all before it looks like a message that grows.
        assume(not any(after.startswith(before) for before, after in zip(accumulate(pieces), pieces[1:], strict=False)))
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["message"] = choice.pop("delta")
    return chunks


def message_alone(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    choice = {"index": 0, "message": whole(chunks), "finish_reason": chunks[-2]["choices"][0]["finish_reason"]}
    return [{"id": "c", "object": "chat.completion", "choices": [choice], "usage": COUNTS}]


SHAPES: list[Change] = [unchanged, message_once_more, message_so_far, message_for_delta, message_alone]


def other_types(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for chunk in chunks:
        chunk |= {"id": 5, "created": "1", "error": data.draw(st.sampled_from(["", {}, False, None]))}
        for choice in chunk["choices"]:
            choice["index"] = "0"
            for message in (choice.get("delta"), choice.get("message")):
                for field in ("content", "reasoning_content"):
                    text = (message or {}).get(field)
                    if text and text.isascii() and text.isdigit() and str(int(text)) == text:
                        message[field] = int(text)
                if message is not None and not message.get("tool_calls"):
                    message |= {"tool_calls": {}, "function_call": ""}
    return chunks


def index_one(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["index"] = 1
    return chunks


def index_counts(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    start = data.draw(st.integers(0, 2))
    for number, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            choice["index"] = start + number
    return chunks


def stop_in_each(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or data.draw(st.sampled_from(["stop", "null", ""]))
    return chunks


def about_each(chunks: list[Chunk], data: st.DataObject) -> list[Chunk]:
    for number, chunk in enumerate(chunks):
        chunk |= {"timings": {"n": number}, "code": 0, "message": "Success"}
    return chunks


FIELDS: list[Change] = [unchanged, other_types, index_one, index_counts, stop_in_each, about_each]

PINGS = [b": ping\n\n", b"data: ping\n\n", b"data: {}\n\n", b"\n", b'data: {"choices": []}\n\n', b"data: null\n\n"]


@settings(max_examples=400, deadline=None, report_multiple_bugs=False)
@given(st.data())
def test_what_is_said_stays_the_same(data: st.DataObject) -> None:
    chunks = answer(data)
    expected = said(read(b"".join(frames(deepcopy(chunks))) + DONE))
    shape = data.draw(st.sampled_from(SHAPES))
    chunks = shape(chunks, data)
    if shape in (unchanged, message_once_more):
        chunks = data.draw(st.sampled_from(CALLS))(chunks, data)
    chunks = data.draw(st.sampled_from(FIELDS))(deepcopy(chunks), data)
    sent = [piece for frame in frames(chunks) for piece in (data.draw(st.sampled_from([b"", *PINGS])), frame)]
    stream = b"".join(sent) + data.draw(st.sampled_from([DONE, b"", b"data: DONE\n\n", b'data:  "[DONE]"\n\n']))
    got = read(stream.rstrip(b"\n") if data.draw(st.booleans()) else stream)
    assert got.error is None, got.error
    assert said(got) == expected


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_cut_is_whole_or_a_failure(data: st.DataObject) -> None:
    chunks = answer(data)
    stream = b"".join(frames(chunks)) + DONE
    expected = said(read(stream))
    place = data.draw(st.integers(0, len(stream)))
    got = read(stream[:place])
    if got.error is not None:
        assert got.error.code in ("incomplete_stream", "invalid_response")
        assert expected.text.startswith(said(got).text)
        return
    found = said(got)
    assert (found.reasoning, found.text, found.calls) == (expected.reasoning, expected.text, expected.calls)
    assert found.usage in (None, expected.usage)
