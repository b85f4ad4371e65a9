"""Logprobs of Chat: with the delta that says their tokens, whatever else the chunk has."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta
from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, STOP, chunk
from worker.providers.openai_chat.chunk import Choice
from worker.providers.openai_chat.tokens import Tokens


def entry(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "bytes": list(token.encode()), "top_logprobs": []}


def weighed(delta: dict[str, Any], finish: str | None = None, **logprobs: Any) -> bytes:
    return chunk(choices=[{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}])


def told(got: Any) -> list[tuple[str, str, list[str] | None]]:
    return [
        (event.kind, event.delta, [one["token"] for one in event.logprobs] if event.logprobs else None)
        for event in got.events
        if isinstance(event, Delta)
    ]


async def test_content_and_refusal(read: Read) -> None:
    got = await read(
        weighed({"content": "Be"}, content=[entry("B"), entry("e")], refusal=None)
        + chunk({"content": "cause"})
        + weighed({"refusal": "No."}, refusal=[entry("No"), entry(".")])
        + STOP
    )
    assert told(got) == [("text", "Be", ["B", "e"]), ("text", "cause", None), ("refusal", "No.", ["No", "."])]
    assert got.raw() == []


async def test_reasoning_has_those_of_the_content_where_there_is_no_text(read: Read) -> None:
    """vLLM, which tells reasoning from the text after it has counted tokens."""
    got = await read(weighed({"reasoning_content": "Hm"}, content=[entry("Hm")]) + STOP)
    assert told(got) == [("reasoning", "Hm", ["Hm"])]


async def test_a_token_without_a_text_goes_with_the_next(read: Read) -> None:
    got = await read(
        weighed({"content": ""}, content=[entry("a")])
        + weighed({}, content=[entry("b")])
        + weighed({"content": "abc"}, content=[entry("c")])
        + weighed({"content": ""}, "stop", content=[entry("<end>")])
        + DONE
    )
    assert told(got) == [("text", "abc", ["a", "b", "c"]), ("text", "", ["<end>"])]
    assert got.raw() == []
    assert got.parts() == [{"kind": "text", "text": "abc"}]


async def test_what_is_of_no_text_is_raw(read: Read) -> None:
    call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "rain", "arguments": "{}"}}]}
    old: dict[str, Any] = {"tokens": ["a"], "token_logprobs": [-1]}
    got = await read(
        weighed(call, content=[entry("{}")])
        + weighed({"content": "a"}, **old)
        + weighed({"content": "b"}, content=[{"token": "b"}], new=[1])
        + chunk({}, "tool_calls")
        + DONE
    )
    assert sorted(told(got)) == [("text", "a", None), ("text", "b", None), ("tool_call", "{}", None)]
    assert [raw["logprobs"] for raw in got.raw()] == [
        {"content": [entry("{}")]},
        old,
        {"content": [{"token": "b"}], "new": [1]},
    ]


async def test_those_that_wait_for_a_text_that_never_comes_are_raw(read: Read) -> None:
    got = await read(weighed({}, "stop", content=[entry("x")]) + DONE)
    assert got.raw() == [{"logprobs": {"content": [entry("x")]}}]


async def test_a_whole_message_has_them_too(read: Read) -> None:
    message = {"role": "assistant", "content": "ab"}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": [entry("a"), entry("b")]},
        "finish_reason": "stop",
    }
    got = await read(chunk(choices=[choice]) + DONE)
    assert told(got) == [("text", "ab", ["a", "b"])]


def test_what_waits_has_a_bound() -> None:
    tokens = Tokens()
    choice = Choice(logprobs={"content": [entry("x")] * 600})
    assert [tokens.read(choice, []) for _ in range(2)] == [{}, {}]
    assert tokens.read(choice, []) == {"logprobs": choice.logprobs}


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(
    ("given", "sequence", "kept"),
    [
        ("END", "END", False),
        ("\n\n", "\n\n", False),
        (128009, None, True),
        # Not a sequence, but a finish reason as another protocol says it.
        ("end_turn", None, True),
        ("", None, True),
    ],
)
async def test_the_sequence_that_stopped_it(
    read: Read, field: str, given: Any, sequence: str | None, kept: bool
) -> None:
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop", field: given}
    got = await read(chunk(choices=[choice]) + DONE)
    assert (got.completed.stop_sequence or None) == sequence
    assert got.raw() == ([{field: given}] if kept else [])


async def test_the_category_of_a_filter_and_all_that_it_says(read: Read) -> None:
    results = {"hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": False}}
    choice = {"index": 0, "delta": {}, "finish_reason": "content_filter", "content_filter_results": results}
    got = await read(chunk({"content": "x"}) + chunk(choices=[choice]) + DONE)
    assert got.completed.refusal_category == "hate"
    assert got.raw() == [{"content_filter_results": results}]
    got = await read(chunk({"content": "x"}) + chunk(choices=[{**choice, "finish_reason": "stop"}]) + DONE)
    assert not got.completed.refusal_category
