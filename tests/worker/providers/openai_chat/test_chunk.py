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
    assert Choice(matched_stop=1, native_finish_reason="STOP").about() == {
        "native_finish_reason": "STOP",
        "matched_stop": 1,
    }
    assert ChatChunk(timings={"n": 1}, citations=[]).about() == {"timings": {"n": 1}, "citations": []}
    assert Choice(logprobs={"x": 1}, stop_reason=3).tokens() == {"logprobs": {"x": 1}}
    assert Choice(stop_reason=3).tokens() == {}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(delta=ChunkDelta(content="x"), text="y"), "x"),
        (Choice(delta=ChunkDelta(content=""), text="</s>"), ""),
        (Choice(delta=ChunkDelta(reasoning="x"), text="x"), None),
        (Choice(delta=ChunkDelta(role="assistant"), text="y"), "y"),
        (Choice(text="y"), "y"),
        (Choice(text=5, delta=ChunkDelta()), None),
        (Choice(text="y", message=ChunkDelta(content="x")), None),
    ],
)
def test_a_text_in_the_place_of_a_delta(choice: Choice, said: str | None) -> None:
    delta = choice.said
    assert (delta.content if delta else None) == said


def test_a_plain_choice_has_a_delta_and_a_finish_reason() -> None:
    assert Choice(index=0, delta=ChunkDelta(content="x"), finish_reason="stop").is_plain
    for field in ("message", "text", "usage", "error", "logprobs", "stop_reason", "token_ids"):
        said: Any = ChunkDelta() if field == "message" else "x"
        assert not Choice(**{field: said}).is_plain


@pytest.mark.parametrize(
    ("choice", "content"),
    [
        ({"delta": {"content": 6}}, "6"),
        ({"delta": {"content": True}}, "true"),
        ({"message": {"content": True}}, "true"),
        ({"delta": {"content": {"type": "text", "text": "x"}}}, [{"type": "text", "text": "x"}]),
        ({"delta": "x"}, "x"),
    ],
)
def test_a_content_of_another_type(choice: dict[str, Any], content: Any) -> None:
    chunk, said, about = read({"choices": [choice]})
    assert chunk.choices is not None
    delta = chunk.choices[0].delta or chunk.choices[0].message
    assert delta is not None
    assert (delta.content, said, about) == (content, {}, {})


def test_a_message_that_is_a_text_is_no_content() -> None:
    assert read({"choices": [{"message": "x", "code": 5}]})[2] == {"message": "x", "code": 5}


@pytest.mark.parametrize(
    "field", ["reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_opaque", "thinking_blocks"]
)
def test_what_thinks(field: str) -> None:
    said: Any = ["x"]
    assert ChunkDelta(**{field: said}).thinks
    assert not ChunkDelta(content="x").thinks


def test_of_specific_fields_only_what_is_said_nowhere_else_counts() -> None:
    same = {"reasoning_content": "Hm", "refusal": None}
    assert ChunkDelta(reasoning_content="Hm", provider_specific_fields=same).specific() == {}
    assert ChunkDelta(provider_specific_fields=same).specific() == {"reasoning_content": "Hm"}
    assert ChunkDelta(provider_specific_fields={"citations": [1]}).specific() == {"citations": [1]}
    assert ChunkDelta(provider_specific_fields="x").specific() == {}
