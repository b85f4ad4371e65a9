"""Chunks in other shapes than the service's: read as if they had its, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.log.events import Usage
from tests.worker.providers.gemini.conftest import Read
from tests.worker.providers.gemini.test_reader import COUNTS, call, chunk, end, event, raws, text
from worker.providers.gemini.chunk import Candidate, Piece
from worker.providers.gemini.chunk_shapes import in_shape, misfits, read_chunk

SNAKE = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "Hm.", "thought": True, "thought_signature": "c2ln", "function_call": None},
                    {"text": None, "function_call": {"name": "rain", "args": {"finish_reason": 1}, "id": "a"}},
                    {"inline_data": {"mime_type": "image/png", "data": "aGk="}},
                    {"executable_code": {"language": "PYTHON", "code": "1"}},
                    {"text": "usage_metadata: x"},
                ]
            },
            "finish_reason": "STOP",
            "grounding_metadata": {"web_search_queries": ["sky"]},
            "index": 0,
        }
    ],
    "usage_metadata": {"prompt_token_count": 4, "candidates_token_count": 2, "thoughts_token_count": None},
    "model_version": "m-1",
    "response_id": "r-1",
    "prompt_feedback": {"block_reason": None},
    "sdk_http_response": None,
}


async def test_names_as_the_sdk_dumps_them(read: Read) -> None:
    got = await read(event(SNAKE))
    ran = {"call_id": "call_3", "name": "code_execution", "executor": "provider"}
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hm.", "summary": True, "signature": "c2ln", "provider": "gemini"},
        {
            "kind": "tool_call",
            "text": '{"finish_reason":1}',
            "call_id": "a",
            "name": "rain",
            "executor": "client",
        },
        {"kind": "file", "text": "aGk=", "media_type": "image/png"},
        {"kind": "tool_call", "text": '{"language":"PYTHON","code":"1"}', **ran},
        {
            "kind": "text",
            "text": "usage_metadata: x",
            "annotations": [{"groundingMetadata": {"web_search_queries": ["sky"]}}],
        },
    ]
    assert (got.completed.finish_reason, got.completed.usage, raws(got)) == ("tool_calls", Usage(4, 2), [])
    assert (got.completed.response_id, got.response.model) == ("r-1", "m-1")


async def test_names_of_one_kind_among_the_service_s(read: Read) -> None:
    made = {"function_call": {"name": "rain", "args": {"x_y": 1}}, "thought_signature": "c2ln"}
    got = await read(
        chunk(made, {"hologram_x": 1}), chunk(text("x")).replace(b'"index"', b'"finish_reason": "STOP", "index"')
    )
    assert (got.error, got.completed.finish_reason, raws(got)) == (None, "tool_calls", [{"hologram_x": 1}])
    assert (got.parts()[0]["text"], got.parts()[0]["signature"]) == ('{"x_y":1}', "c2ln")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "stop"), (2, "length"), (3, "content_filter"), (4, "content_filter"), (5, "other"), (77, "other")],
)
async def test_finish_reasons_by_number(read: Read, number: int, expected: str) -> None:
    got = await read(chunk(text("x"), finishReason=number))
    assert got.completed.finish_reason == expected
    assert (await read(chunk(text("x"), finishReason=0))).failure.code == "incomplete_stream"


@pytest.mark.parametrize(
    "content",
    [
        {"parts": {"text": "x"}},
        {"parts": "x"},
        {"parts": ["x"]},
        {"parts": [None, {"text": "x"}]},
        [{"text": "x"}],
        {"text": "x"},
        "x",
    ],
)
@pytest.mark.parametrize("listed", [True, False])
async def test_content_in_any_shape(read: Read, content: Any, listed: bool) -> None:
    if content == {"text": "x"}:
        content = [content]
    candidate = {"content": content, "finishReason": "STOP", "index": "0"}
    got = await read(event({"candidates": [candidate] if listed else candidate, "usageMetadata": COUNTS}))
    assert (got.error, got.parts(), raws(got)) == (None, [{"kind": "text", "text": "x"}], [])


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ({"text": 6}, {"kind": "text", "text": "6"}),
        ({"text": "x", "thought": "true"}, {"kind": "reasoning", "text": "x", "summary": True}),
        ({"text": "x", "thought": "false"}, {"kind": "text", "text": "x"}),
        ({"text": "x", "thought": 1}, {"kind": "reasoning", "text": "x", "summary": True}),
        ({"text": "x", "functionCall": {}}, {"kind": "text", "text": "x"}),
    ],
)
async def test_scalars_of_other_types(read: Read, piece: dict[str, Any], expected: dict[str, Any]) -> None:
    got = await read(chunk(piece), end())
    assert (got.error, got.parts()) == (None, [expected])


async def test_a_chunk_in_a_wrapper(read: Read) -> None:
    inner = json.loads(end("STOP", text("x"), call("rain")).removeprefix(b"data: "))
    got = await read(event({"response": inner, "traceId": "t"}))
    assert (got.error, [part["kind"] for part in got.parts()]) == (None, ["text", "tool_call"])
    assert got.completed.usage == Usage(4, 2)


async def test_what_does_not_fit_is_kept(read: Read) -> None:
    pieces = [{"hologram": 1}, {"functionCall": [1]}, {"text": "x", "inlineData": "y"}, {"text": {"a": 1}}]
    got = await read(
        event({"candidates": {"content": pieces, "finishReason": {"x": 1}, "new": 1}, "new": 1}),
        chunk(text("!")),
        end(),
    )
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "x!"}])
    assert raws(got) == [
        {"hologram": 1},
        {"functionCall": [1]},
        {"inlineData": "y"},
        {"text": {"a": 1}},
        {"finishReason": {"x": 1}},
    ]


def test_a_chunk_of_the_service_is_read_as_it_is() -> None:
    chunk, whole = read_chunk(
        "acme", b'{"candidates":[{"content":{"parts":[{"text":"finish_reason: \\"usage_metadata\\":"}]}}]}'
    )
    assert whole is None
    assert chunk.candidates is not None


def test_a_shape_that_is_right_stays() -> None:
    right = {"candidates": [{"content": {"parts": [{"text": "x"}], "role": "model"}}], "usageMetadata": COUNTS}
    assert in_shape(right) == right


def test_misfits() -> None:
    assert misfits({"text": {"a": 1}, "thought": None, "new": 1, "functionCall": {}}, Piece()) == {"text": {"a": 1}}
    assert misfits({"finishReason": "STOP", "index": 0}, Candidate(finish_reason="STOP", index=0)) == {}
