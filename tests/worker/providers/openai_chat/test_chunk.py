"""A chunk of a Chat Completions stream: the usual one costs nothing more, and of no other is anything lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.providers.openai_chat.chunk import ChatChunk, Choice, ChunkDelta, Groq, read_chunk
from worker.providers.provider import ProviderError


def read(value: Any) -> tuple[ChatChunk, dict[str, Any], dict[str, Any]]:
    return read_chunk("acme", json.dumps(value).encode())


def test_the_usual_chunk_has_nothing_unknown() -> None:
    chunk, said, about = read({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}}]})
    assert (chunk.id, chunk.model, said, about) == ("c", "m", {}, {})
    assert chunk.choices == [Choice(index=0, delta=ChunkDelta(content="hi"))]


def test_what_is_unknown_is_found_where_it_stands() -> None:
    call = {"index": 1, "id": "t", "new": 3, "function": {"name": "f", "arguments": "{}", "newer": 4}}
    value = {
        "id": "c", "top": 1, "empty": None,
        "choices": [{"index": 0, "beside": 2, "delta": {"content": "hi", "mood": "glad", "tool_calls": [call]}}],
    }  # fmt: skip
    chunk, said, about = read(value)
    assert about == {"top": 1, "beside": 2}
    assert said == {"mood": "glad", "tool_calls": [{"index": 1, "new": 3, "function": {"newer": 4}}]}
    # What is known of it is read as ever.
    assert chunk.choices is not None
    delta = chunk.choices[0].delta
    assert delta is not None
    assert delta.content == "hi"
    assert delta.tool_calls is not None
    assert delta.tool_calls[0].function is not None
    assert delta.tool_calls[0].function.name == "f"


@pytest.mark.parametrize("value", [5, [], "x"])
def test_what_is_no_chunk_is_an_error_that_quotes_nothing(value: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read(value)
    assert (caught.value.code, caught.value.retryable) == ("invalid_response", True)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_an_error(data: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        read_chunk("acme", data)
    assert caught.value.code == "invalid_response"


def test_usage_and_failure_are_groqs_where_no_other_is_said() -> None:
    own = ChatChunk(usage={"a": 1}, error="no", x_groq=Groq(usage={"b": 2}, error="groq's"))
    assert (own.counted(), own.failure()) == ({"a": 1}, "no")
    theirs = ChatChunk(x_groq=Groq(usage={"b": 2}, error="groq's"))
    assert (theirs.counted(), theirs.failure()) == ({"b": 2}, "groq's")
    assert (ChatChunk().counted(), ChatChunk().failure()) == (None, None)


def test_what_is_said_about_an_answer_is_told_where_there_is_some() -> None:
    assert ChatChunk().about() == Choice().about() == {}
    assert ChatChunk(provider="Azure").about() == {"provider": "Azure"}
    assert Choice(content_filter_results={}).about() == {}
    assert Choice(content_filter_results={"hate": 1}).about() == {"content_filter_results": {"hate": 1}}
    assert Choice(logprobs={"x": 1}, native_finish_reason="STOP").about() == {
        "logprobs": {"x": 1},
        "native_finish_reason": "STOP",
    }


def test_of_specific_fields_only_what_is_said_nowhere_else_counts() -> None:
    same = {"reasoning_content": "Hm", "refusal": None}
    assert ChunkDelta(reasoning_content="Hm", provider_specific_fields=same).specific() == {}
    assert ChunkDelta(provider_specific_fields=same).specific() == {"reasoning_content": "Hm"}
    assert ChunkDelta(provider_specific_fields={"citations": [1]}).specific() == {"citations": [1]}
    assert ChunkDelta(provider_specific_fields="x").specific() == {}
