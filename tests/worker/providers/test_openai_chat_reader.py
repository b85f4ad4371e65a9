"""Chat Completions streams, as OpenAI and the endpoints that imitate it send them, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI

from shared.events import Delta, Usage, UsageReport
from shared.requests import GenerationRequest
from shared.settings import Protocol
from tests.worker.providers.upstream import Outcome, Reply, Upstream, outcome
from worker.providers.provider import Provider

DONE = b"data: [DONE]\n\n"

Read = Callable[..., Any]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %s\n\n" % json.dumps({**head, "choices": choices, **fields}).encode()


def call(index: int | None, arguments: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} if arguments is not None else {}
    if "name" in fields:
        function["name"] = fields.pop("name")
    return {"tool_calls": [{**({} if index is None else {"index": index}), **fields, "function": function}]}


STOP = chunk({}, "stop") + DONE


@pytest.fixture
def read(
    upstream: Upstream, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> Read:
    """Serves these pieces and gives what the adapter makes of them."""
    provider = adapter("openai-chat", upstream.url)

    async def serve(*pieces: bytes, **reply: Any) -> Outcome:
        upstream.reply = Reply(pieces, **reply)
        return await outcome(provider, ask())

    return serve


async def test_a_kind_ends_where_another_begins(read: Read) -> None:
    got = await read(
        chunk({"role": "assistant", "content": ""})
        + chunk({"reasoning_content": "Hm"})
        + chunk({"reasoning": "m.", "content": ""})
        + chunk({"content": "Because "})
        + chunk({"content": "of light."})
        + STOP
    )
    assert got.parts() == [{"kind": "reasoning", "text": "Hmm."}, {"kind": "text", "text": "Because of light."}]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("stop", "stop")
    assert got.completed.response_id == "chatcmpl-1"


async def test_a_refusal_is_a_part_of_its_own(read: Read) -> None:
    got = await read(chunk({"refusal": "I can"}) + chunk({"refusal": "not."}) + STOP)
    assert got.parts() == [{"kind": "refusal", "text": "I cannot."}]


async def test_parallel_tool_calls_interleave(read: Read) -> None:
    got = await read(
        chunk({"content": "Looking."})
        + chunk(call(0, "", id="a", name="rain", type="function"))
        + chunk(call(1, "", id="b", name="wind", type="function"))
        + chunk(call(0, '{"x"'))
        + chunk(call(1, '{"y":2}'))
        + chunk(call(0, ":1}"))
        + chunk({}, "tool_calls")
        + DONE
    )
    tool = {"kind": "tool_call", "executor": "client"}
    assert got.parts() == [
        {"kind": "text", "text": "Looking."},
        {**tool, "call_id": "a", "name": "rain", "text": '{"x":1}'},
        {**tool, "call_id": "b", "name": "wind", "text": '{"y":2}'},
    ]
    assert got.completed.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "indexes",
    [
        pytest.param((0, 0), id="one index for all"),
        pytest.param((None, None), id="no index"),
    ],
)
async def test_tool_calls_are_told_apart_by_id_where_the_index_does_not(read: Read, indexes: tuple[Any, Any]) -> None:
    got = await read(
        chunk(call(indexes[0], "{", id="a", name="rain"))
        + chunk(call(indexes[0], "}"))
        + chunk(call(indexes[1], "[]", id="b", name="rain"))
        + chunk({}, "tool_calls")
        + DONE
    )
    assert [(part["call_id"], part["text"]) for part in got.parts()] == [("a", "{}"), ("b", "[]")]


async def test_an_id_and_name_that_repeat_start_nothing(read: Read) -> None:
    pieces = [chunk(call(0, text, id="a", name="rain")) for text in ("{", "}")]
    got = await read(*pieces, chunk({}, "tool_calls") + DONE)
    assert [(part["call_id"], part["name"], part["text"]) for part in got.parts()] == [("a", "rain", "{}")]


async def test_the_old_function_call_is_a_tool_call(read: Read) -> None:
    got = await read(
        chunk({"function_call": {"name": "rain", "arguments": "{"}})
        + chunk({"function_call": {"arguments": "}"}})
        + chunk({}, "function_call")
        + DONE
    )
    assert [(part["call_id"], part["name"], part["text"]) for part in got.parts()] == [("call_0", "rain", "{}")]
    assert got.completed.finish_reason == "tool_calls"


async def test_usage_comes_after_the_finish_reason(read: Read) -> None:
    counted = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 2, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    got = await read(chunk({"content": "x"}, "stop", usage=None) + chunk(usage=counted) + DONE)
    assert got.completed.usage == Usage(20, 9, 16, 2, 5)


async def test_usage_in_every_chunk_is_reported_once_and_ends_with_the_last(read: Read) -> None:
    pieces = [chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": n}) for n in range(1, 9)]
    got = await read(*pieces, STOP)
    assert [event.usage for event in got.events if isinstance(event, UsageReport)] == [Usage(3, 1)]
    assert got.completed.usage == Usage(3, 8)


async def test_no_usage_is_no_usage(read: Read) -> None:
    assert (await read(chunk({"content": "x"}) + STOP)).completed.usage is None


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("insufficient_system_resource", "other"),
    ],
)
async def test_finish_reasons(read: Read, raw: str, unified: str) -> None:
    completed = (await read(chunk({"content": "x"}, ""), chunk({}, raw) + DONE)).completed
    assert (completed.finish_reason, completed.raw_finish_reason) == (unified, raw)


async def test_other_choices_and_unknown_fields_are_left_out(read: Read) -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}])
    got = await read(other + chunk({"content": "yes", "audio": {"id": 1}}, unheard=[{}]) + other + STOP)
    assert got.parts() == [{"kind": "text", "text": "yes"}]
    assert got.completed.finish_reason == "stop"


async def test_an_emoji_cut_in_two_passes_as_two_surrogates(read: Read) -> None:
    got = await read(chunk({"content": "\ud83d"}) + chunk({"content": "\ude00"}) + STOP)
    assert [event.delta for event in got.events if isinstance(event, Delta)] == ["\ud83d", "\ude00"]


async def test_text_arrives_as_it_is(read: Read) -> None:
    text = "\u2028 \r\n \0 😀 \x85 data: x\n\n"
    raw = json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=False).encode()
    got = await read(b"data: " + raw + b"\n\n" + STOP)
    assert got.parts()[0]["text"] == text


async def test_bytes_that_are_not_utf_8_are_replaced(read: Read) -> None:
    got = await read(b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n' + STOP)
    assert got.parts()[0]["text"] == "a\ufffdb"


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"data: [DONE]", id="no line end"),
        pytest.param(b"data:[DONE]\n", id="no blank line"),
        pytest.param(b": bye\n\n", id="a comment"),
    ],
)
async def test_a_finish_reason_is_enough_where_done_never_comes(read: Read, tail: bytes) -> None:
    got = await read(chunk({"content": "x"}) + chunk({}, "stop") + tail)
    assert got.error is None
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="nothing at all"),
        pytest.param((chunk({"content": "x"}),), id="clean end"),
        pytest.param((chunk({"content": "x"}), chunk({"content": "y"})[:-20]), id="half an event"),
        pytest.param((chunk({"content": "x"}), chunk({"content": "y"})[:-1]), id="no blank line"),
        pytest.param((chunk({"content": "x"}), DONE), id="done without a finish reason"),
        pytest.param((chunk({"content": "x"}, "stop"), chunk(usage={"prompt_tokens": 1})[:-9]), id="half the usage"),
        pytest.param((chunk({"content": "x"}, "stop"), b"data: [D"), id="half the marker"),
    ],
)
async def test_an_end_without_the_terminal_marker_is_an_error(read: Read, pieces: tuple[bytes, ...]) -> None:
    got = await read(*pieces)
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)
    assert [part["text"] for part in got.parts()] == (["x"] if pieces else [])


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"message": "PROMPT", "type": "server_error", "code": None}, "provider_error", True),
        ({"message": "PROMPT", "code": 429}, "rate_limit", True),
        ({"message": "PROMPT", "code": "502"}, "provider_error", True),
        ({"message": "PROMPT", "type": "BadRequestError", "code": 400}, "bad_request", False),
        ({"message": "PROMPT", "code": "context_length_exceeded"}, "context_length", False),
        ("PROMPT", "provider_error", True),
    ],
)
async def test_an_error_in_the_stream(read: Read, error: Any, code: str, retryable: bool) -> None:
    got = await read(chunk({"content": "x"}) + b"data: %s\n\n" % json.dumps({"error": error}).encode() + STOP)
    assert (got.failure.code, got.failure.retryable) == (code, retryable)
    assert "PROMPT" not in str(got.failure)
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"choices":[',
        b"not json",
        b"5",
        b'{"choices":[{"delta":{"content":5}}]}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
async def test_an_event_that_is_no_chunk(read: Read, bad: bytes) -> None:
    got = await read(chunk({"content": "x"}) + b"data: " + bad + b"\n\n" + STOP)
    assert (got.failure.code, got.failure.retryable) == ("invalid_response", True)
    assert got.parts() == [{"kind": "text", "text": "x"}]


RICH = (
    b": comment\n\n"
    + chunk({"role": "assistant", "content": "", "refusal": None})
    + chunk({"content": "Zw\u00f6lf "})
    + chunk({"content": "😀\u2028"}).replace(b"\n", b"\r\n")
    + chunk(call(0, "", id="a", name="rain", type="function"))
    + chunk(call(1, "", id="b", name="wind", type="function"))
    + chunk(call(1, '{"y": 2}'))
    + chunk(call(0, '{"x": "\\u00e9"}'))
    + chunk({}, "tool_calls")
    + chunk(usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})
    + DONE
)


async def test_the_sdk_accumulates_the_same(read: Read, upstream: Upstream) -> None:
    got = await read(RICH)
    async with AsyncOpenAI(api_key="k", base_url=f"{upstream.url}/v1", max_retries=0) as client:
        asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        async with client.chat.completions.stream(**asked) as stream:
            completion = await stream.get_final_completion()
    message, usage = completion.choices[0].message, completion.usage
    said, *calls = got.parts()
    assert said["text"] == message.content
    assert [(part["call_id"], part["name"], part["text"]) for part in calls] == [
        (made.id, made.function.name, made.function.arguments) for made in message.tool_calls or ()
    ]
    assert got.completed.raw_finish_reason == completion.choices[0].finish_reason
    assert got.completed.response_id == completion.id
    assert usage is not None
    assert got.completed.usage == Usage(usage.prompt_tokens, usage.completion_tokens)


@pytest.mark.parametrize("script", ["lorem", "tools", "reasoning", "refusal"])
async def test_the_simulator_says_the_same_to_the_sdk(
    script: str, simulator: str, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> None:
    model = f"{script}?rate=0&seed=3&cached=2"
    got = await outcome(adapter("openai-chat", simulator), ask(), model)
    async with AsyncOpenAI(api_key="k", base_url=f"{simulator}/v1", max_retries=0) as client:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        completion = await client.chat.completions.create(model=model, **asked)
    message = completion.choices[0].message.model_dump()
    expected = [
        {"kind": kind, "text": message[field]}
        for kind, field in (("reasoning", "reasoning_content"), ("text", "content"), ("refusal", "refusal"))
        if message.get(field)
    ]
    for made in message.get("tool_calls") or ():
        function = made["function"]
        expected.append({"kind": "tool_call", "text": function["arguments"], "call_id": made["id"]})
        expected[-1] |= {"name": function["name"], "executor": "client"}
    assert got.parts() == expected
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    reasoning = completion.usage.completion_tokens_details.reasoning_tokens or 0
    counted = (completion.usage.prompt_tokens, completion.usage.completion_tokens)
    assert got.completed.usage == Usage(*counted, cached_tokens=2, reasoning_tokens=reasoning)
