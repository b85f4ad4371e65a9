import json
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from simulator.texts import words

USER: Any = [{"role": "user", "content": "Say something of forty characters, please"}]
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("search", "book")
]
PUZZLE = 'a\u0301\U0001f469\u200d\U0001f467\r\n\u2028\0\\"\U0001f600\ufefftail \ud83d'


async def final(client: openai.AsyncOpenAI, model: str, **options: Any) -> ChatCompletion:
    """What the SDK's own accumulator makes of the stream."""
    options.setdefault("messages", USER)
    async with client.chat.completions.stream(model=model, stream_options={"include_usage": True}, **options) as stream:
        async for _ in stream:
            pass
        return await stream.get_final_completion()


async def chunks_of(client: openai.AsyncOpenAI, model: str, **options: Any) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(model=model, messages=USER, stream=True, **options)
    return [chunk async for chunk in stream]


async def test_lorem(chat: openai.AsyncOpenAI) -> None:
    completion = await final(chat, "lorem?deltas=30&rate=0&seed=4&cached=2")
    assert completion.choices[0].message.content == "".join(words(4, 30))
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "lorem?deltas=30&rate=0&seed=4&cached=2"
    usage = completion.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 30, 40)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 2


async def test_one_delta_a_chunk_between_role_and_finish(chat: openai.AsyncOpenAI) -> None:
    chunks = await chunks_of(chat, "lorem?deltas=5&rate=0")
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", *[None] * 6]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [*[None] * 6, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize(
    "content", [PUZZLE[:-1], [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}], ""]
)
async def test_echo_is_exact(chat: openai.AsyncOpenAI, content: Any) -> None:
    said = content if isinstance(content, str) else "two parts"
    history = [*USER, {"role": "assistant", "content": "no"}, {"role": "user", "content": content}]
    completion = await final(chat, "echo?rate=0&chunk=2", messages=history)
    assert (completion.choices[0].message.content or "") == said


async def test_surrogate_halves_are_escaped_on_the_wire(http: httpx2.AsyncClient) -> None:
    body = {"model": "echo?rate=0&chunk=1", "stream": True, "messages": [{"role": "user", "content": PUZZLE}]}
    raw = (await http.post("/v1/chat/completions", content=json.dumps(body))).content
    assert b'"content":"\\ud83d"' in raw, "a lone half stays an escape"
    assert '"content":"\U0001f600"'.encode() in raw, "a whole emoji is UTF-8"
    assert b"\x00" not in raw
    model = "lorem?surrogates=1&unicode=1&deltas=20&rate=0"
    raw = (await http.post("/v1/chat/completions", json={**body, "model": model, "messages": USER})).content
    assert raw.count(b'\\ud83d"}') == 3
    assert raw.count(b'"content":"\\ude00') == 2


async def test_reasoning(chat: openai.AsyncOpenAI) -> None:
    completion = await final(chat, "reasoning?deltas=9&rate=0&seed=2")
    message = completion.choices[0].message
    assert message.to_dict()["reasoning_content"] == "".join(words(2, 9)[:3])
    assert message.content == "".join(words(2, 9)[3:])
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    assert completion.usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize(
    ("options", "names"), [({}, ["get_weather", "get_time"]), ({"tools": TOOLS}, ["search", "book"])]
)
async def test_tools(chat: openai.AsyncOpenAI, options: Any, names: list[str]) -> None:
    completion = await final(chat, "tools?rate=0", **options)
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content
    calls = choice.message.tool_calls or []
    assert [call.type for call in calls] == ["function", "function"]
    assert [call.function.name for call in calls if call.type == "function"] == names
    assert [json.loads(call.function.arguments)["limit"] for call in calls if call.type == "function"] == [
        3,
        4,
    ]
    assert len({call.id for call in calls}) == 2


async def test_parallel_calls_alternate_by_index(chat: openai.AsyncOpenAI) -> None:
    chunks = await chunks_of(chat, "tools?rate=0&deltas=24")
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    starts = [call for call in calls if call.id]
    assert [call.index for call in starts] == [0, 1]
    assert [call.index for call in calls if not call.id] == [0, 1] * 6


async def test_refusal(chat: openai.AsyncOpenAI) -> None:
    completion = await final(chat, "refusal?rate=0")
    assert completion.choices[0].message.refusal == "".join(words(0, 12))
    assert not completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_token_limit_stops_it(chat: openai.AsyncOpenAI, limit: str) -> None:
    chunks = await chunks_of(chat, "lorem?deltas=9&rate=0", **{limit: 4}, stream_options={"include_usage": True})
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "".join(words(0, 9)[:4])
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


@pytest.mark.parametrize(
    "model", ["lorem?rate=0&unicode=1", "echo?rate=0", "reasoning?rate=0", "tools?rate=0", "refusal?rate=0"]
)
async def test_without_streaming_it_says_the_same(chat: openai.AsyncOpenAI, model: str) -> None:
    streamed = (await final(chat, model)).to_dict()
    whole = (await chat.chat.completions.create(model=model, messages=USER)).to_dict()
    for completion in (streamed, whole):
        message: Any = completion["choices"][0]["message"]  # type: ignore[index]
        for call in message.get("tool_calls") or []:
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    keys = ("content", "refusal", "reasoning_content", "tool_calls")
    said = [{key: c["choices"][0]["message"].get(key) or None for key in keys} for c in (streamed, whole)]  # type: ignore[index]
    assert said[0] == said[1]
    assert any(said[0].values())
    assert whole["usage"] == streamed["usage"]
    assert whole["object"] == "chat.completion"


async def test_the_bytes_of_a_stream(http: httpx2.AsyncClient) -> None:
    body = {"model": "echo?rate=0", "stream": True, "stream_options": {"include_usage": True}}
    answer = await http.post(
        "/v1/chat/completions", json={**body, "messages": [{"role": "user", "content": "h\u00e9llo"}]}
    )
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = answer.content.split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    first = json.loads(events[0].removeprefix(b"data: "))
    head = (
        f'data: {{"id":"{first["id"]}","object":"chat.completion.chunk","created":{first["created"]},'
        '"model":"echo?rate=0","service_tier":"default","system_fingerprint":"fp_simulator","choices":['
    )
    tail = ',"logprobs":null,"finish_reason":null}],"usage":null}'
    assert [event.decode() for event in events[:-3]] == [
        head + '{"index":0,"delta":{"role":"assistant","content":"","refusal":null}' + tail,
        head + '{"index":0,"delta":{"content":"h\u00e9ll"}' + tail,
        head + '{"index":0,"delta":{"content":"o"}' + tail,
        head + '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}',
    ]
    last = json.loads(events[-3].removeprefix(b"data: "))
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)


async def test_models(chat: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in chat.models.list()]
    assert names == ["demo", "lorem", "echo", "reasoning", "tools", "refusal", "clock"]


async def test_a_vendors_model_is_answered_for_under_its_name(chat: openai.AsyncOpenAI) -> None:
    chunks = await chunks_of(chat, "gpt-5?rate=0&deltas=3")
    assert {chunk.model for chunk in chunks} == {"gpt-5?rate=0&deltas=3"}
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]) == 1


async def test_refused_requests(chat: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'nothing'") as missing:
        await chunks_of(chat, "nothing")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="parameter 'rate' must be a number") as malformed:
        await chunks_of(chat, "lorem?rate=quick")
    assert malformed.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        await chunks_of(chat, "lorem", max_tokens=0)
    with pytest.raises(openai.BadRequestError, match="messages"):
        await chat.chat.completions.create(model="lorem", messages=[])


@pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 100_000, b"\xff", b'{"model":1}'])
async def test_a_body_that_is_no_request(http: httpx2.AsyncClient, content: bytes) -> None:
    answer = await http.post("/v1/chat/completions", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
