"""Damaged Gemini streams: text, calls and counts stay equal, or the end is an honest failure."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.worker.providers.damage import KEEP_ALIVES, check, served, summary
from worker.providers.gemini.reader import GeminiReader

Chunk = dict[str, Any]
TEXTS = st.text(st.sampled_from('ab {}"\\\t_é\u2028😀'), min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(0, 9), st.dictionaries(TEXTS, TEXTS)), max_size=2)
COUNTS = {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}
NAMED = {"modelVersion": "m", "responseId": "r"}

RUN: list[Chunk] = [
    {"executableCode": {"code": "1"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
    {"text": "So."},
]
PIECES: st.SearchStrategy[list[Chunk]] = st.one_of(
    TEXTS.map(lambda text: [{"text": text}]),
    TEXTS.map(lambda text: [{"text": text, "thought": True, "thoughtSignature": "c2ln"}]),
    ARGUMENTS.map(lambda args: [{"functionCall": {"name": "rain", "args": args, "id": "a"}}]),
    st.just(RUN),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Chunk]:
    """A good stream, as its chunks."""
    said = [piece for pieces in draw(st.lists(PIECES, min_size=1, max_size=4)) for piece in pieces]
    chunks = [chunk([piece]) for piece in said]
    if draw(st.booleans()):
        chunks.append(chunk([{"text": ""}]))
    chunks[-1]["candidates"][0]["finishReason"] = draw(st.sampled_from(["STOP", "MAX_TOKENS"]))
    return chunks


def chunk(pieces: list[dict[str, Any]], **candidate: Any) -> Chunk:
    content = {"parts": pieces, "role": "model"}
    return {"candidates": [{"content": content, "index": 0, **candidate}], "usageMetadata": COUNTS, **NAMED}


def encoded(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


def snake(value: Any, *, inside: bool = False) -> Any:
    """A chunk in the names of Python's SDK, but for the arguments of calls."""
    if isinstance(value, list):
        return [snake(one, inside=inside) for one in value]
    if not isinstance(value, dict) or inside:
        return value
    return {
        re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name): snake(field, inside=name == "functionCall")
        for name, field in value.items()
    }


def reshaped(given: Chunk, how: str) -> Any:
    """A chunk that says the same in another shape."""
    (candidate,) = given["candidates"]
    parts = candidate["content"]["parts"]
    match how:
        case "names":
            return snake(given)
        case "one candidate":
            return {**given, "candidates": candidate}
        case "parts only":
            return {**given, "candidates": [{**candidate, "content": parts}]}
        case "one part":
            return {**given, "candidates": [{**candidate, "content": {"parts": parts[0]}}]}
        case "scalars":
            counts = {name: str(count) for name, count in COUNTS.items()}
            return {**given, "candidates": [{**candidate, "index": "0"}], "usageMetadata": counts}
        case "thoughts":
            pieces = [{**one, "thought": "true"} if "thought" in one else one for one in parts]
            return {**given, "candidates": [{**candidate, "content": {"parts": pieces}}]}
        case "empty texts":
            return {
                **given,
                "candidates": [{**candidate, "content": {"parts": [{"text": "", **one} for one in parts]}}],
            }
        case "arguments":
            calls = [
                {**one, "functionCall": as_text(one["functionCall"])} if "functionCall" in one else one for one in parts
            ]
            return {**given, "candidates": [{**candidate, "content": {"parts": calls}}]}
        case "an error":
            return {"error": {}, **given}
        case "a wrapper":
            return {"response": given, "traceId": "t"}
        case "a list":
            return [given]
        case _:
            return given


def as_text(call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "args": json.dumps(call["args"])}


SHAPES = (
    "", "names", "one candidate", "parts only", "one part", "scalars", "thoughts", "empty texts", "arguments",
    "an error", "a wrapper", "a list",
)  # fmt: skip
STAMPS = ("STOP", "FINISH_REASON_UNSPECIFIED", "null", "", None, "MAX_TOKENS")


def stamp(given: Chunk, reason: str | None) -> Chunk:
    """A chunk with a finish reason, unless it has one."""
    (candidate,) = given["candidates"]
    return {**given, "candidates": [{"finishReason": reason, **candidate}]}


@given(streams(), st.data())
async def test_a_damaged_stream_is_whole_or_fails(good: list[Chunk], data: st.DataObject) -> None:
    whole = summary(await served(GeminiReader, [encoded(one) for one in good]))
    leading = data.draw(st.lists(st.sampled_from(STAMPS), max_size=2), "leading")
    out = [encoded(chunk([], finishReason=reason)) for reason in leading]
    for one in good:
        stamped = stamp(one, data.draw(st.sampled_from(STAMPS)))
        out.append(encoded(reshaped(stamped, data.draw(st.sampled_from(SHAPES)))))
        if one is not good[-1]:
            out += data.draw(st.lists(st.sampled_from(KEEP_ALIVES), max_size=1))
    cut = data.draw(st.sampled_from(["", "blank line", "done", "connection"]), "cut")
    if cut == "blank line":
        out[-1] = out[-1].rstrip(b"\r\n")
    elif cut == "done":
        out.append(b"data: [DONE]\n\n")
    check(await served(GeminiReader, out, broken=cut == "connection"), whole, lossless=cut != "connection")


@given(streams(), st.booleans(), st.data())
async def test_a_stream_that_is_cut_is_no_answer(good: list[Chunk], every: bool, data: st.DataObject) -> None:
    whole = summary(await served(GeminiReader, [encoded(one) for one in good]))
    pieces = [encoded(stamp(one, "STOP") if every else one) for one in good]
    kept = data.draw(st.integers(0, len(pieces)))
    # Where each chunk has a finish reason, a clean end says that it was the last.
    got = await served(GeminiReader, pieces[:kept], broken=every or data.draw(st.booleans()))
    check(got, whole, lossless=False)
    assert got.error is not None or kept == len(pieces)


@given(streams(), st.booleans())
async def test_one_document_says_the_same(good: list[Chunk], one: bool) -> None:
    whole = summary(await served(GeminiReader, [encoded(each) for each in good]))
    document: Any = good
    if one:
        pieces = [piece for each in good for piece in each["candidates"][0]["content"]["parts"]]
        document = chunk(pieces, finishReason=good[-1]["candidates"][0]["finishReason"])
    check(await served(GeminiReader, [json.dumps(document).encode()]), whole, lossless=True)
