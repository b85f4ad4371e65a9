import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message

from simulator.texts import words

USER: Any = [{"role": "user", "content": "Say something of forty characters, please"}]
TOOLS: Any = [{"name": name, "input_schema": {"type": "object"}} for name in ("search", "book")]


async def final(client: anthropic.AsyncAnthropic, model: str, **options: Any) -> Message:
    """What the SDK's own accumulator makes of the stream."""
    options = {"messages": USER, "max_tokens": 1000, **options}
    async with client.messages.stream(model=model, **options) as stream:
        return await stream.get_final_message()


async def test_lorem(messages: anthropic.AsyncAnthropic) -> None:
    message = await final(messages, "lorem?deltas=30&rate=0&seed=4&cached=3", system="12345678")
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": "".join(words(4, 30))}]
    assert message.stop_reason == "end_turn"
    assert message.model == "lorem?deltas=30&rate=0&seed=4&cached=3"
    usage = message.usage
    # The cache is not part of input_tokens here: 41 + 8 characters are 12 tokens.
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (9, 3, 30)


async def test_echo_is_exact(messages: anthropic.AsyncAnthropic) -> None:
    said = 'a\u0301\U0001f469\u200d\U0001f467\r\n\u2028\0\\"\U0001f600\ufefftail'
    history: Any = [*USER, {"role": "assistant", "content": "no"}, {"role": "user", "content": said}]
    message = await final(messages, "echo?rate=0&chunk=2", messages=history)
    assert message.content[0].to_dict()["text"] == said


async def test_reasoning_is_signed(messages: anthropic.AsyncAnthropic) -> None:
    message = await final(messages, "reasoning?deltas=9&rate=0&seed=2")
    thinking, text = message.content
    assert thinking.type == "thinking"
    assert thinking.thinking == "".join(words(2, 9)[:3])
    assert len(thinking.signature) == 128
    assert text.type == "text"
    assert text.text == "".join(words(2, 9)[3:])
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 3


@pytest.mark.parametrize(
    ("options", "names"), [({}, ["get_weather", "get_time"]), ({"tools": TOOLS}, ["search", "book"])]
)
async def test_tools(messages: anthropic.AsyncAnthropic, options: Any, names: list[str]) -> None:
    message = await final(messages, "tools?rate=0", **options)
    assert message.stop_reason == "tool_use"
    text, *calls = message.content
    assert text.type == "text"
    assert [call.name for call in calls if call.type == "tool_use"] == names
    assert [call.input["limit"] for call in calls if call.type == "tool_use"] == [3, 4]


async def test_refusal(messages: anthropic.AsyncAnthropic) -> None:
    message = await final(messages, "refusal?rate=0")
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.type == "refusal"


async def test_the_token_limit_stops_it(messages: anthropic.AsyncAnthropic) -> None:
    message = await final(messages, "lorem?deltas=9&rate=0", max_tokens=4)
    assert message.content[0].to_dict()["text"] == "".join(words(0, 9)[:4])
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 4


async def test_the_token_limit_may_cut_a_tool_call(messages: anthropic.AsyncAnthropic) -> None:
    message = await messages.messages.create(model="tools?rate=0", max_tokens=14, messages=USER)
    assert message.stop_reason == "max_tokens"
    assert [block.type for block in message.content] == ["text", "tool_use"]


@pytest.mark.parametrize(
    "model", ["lorem?rate=0&unicode=1", "echo?rate=0", "reasoning?rate=0", "tools?rate=0", "refusal?rate=0"]
)
async def test_without_streaming_it_says_the_same(messages: anthropic.AsyncAnthropic, model: str) -> None:
    streamed = await final(messages, model)
    whole = await messages.messages.create(model=model, max_tokens=1000, messages=USER)
    assert [block.to_dict() for block in whole.content] == [block.to_dict() for block in streamed.content]
    assert (whole.stop_reason, whole.stop_details) == (streamed.stop_reason, streamed.stop_details)
    assert whole.usage.output_tokens == streamed.usage.output_tokens


async def test_the_order_of_events(http: httpx2.AsyncClient) -> None:
    body = {"model": "tools?rate=0&deltas=6", "stream": True, "max_tokens": 99, "messages": USER}
    answer = await http.post("/v1/messages", json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["request-id"].startswith("req_")
    events = [event.split(b"\n") for event in answer.content.split(b"\n\n")[:-1]]
    assert all(len(event) == 2 for event in events)
    names = [name.removeprefix(b"event: ").decode() for name, _ in events]
    rows = [json.loads(data.removeprefix(b"data: ")) for _, data in events]
    assert [row["type"] for row in rows] == names
    delta = "content_block_delta"
    assert names == [
        *("message_start", "content_block_start", "ping", *[delta] * 4, "content_block_stop"),
        # Each tool call begins with an empty fragment, as the service sends it.
        *("content_block_start", delta, delta, "content_block_stop"),
        *("content_block_start", delta, delta, "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert [row["index"] for row in rows if row["type"] == "content_block_start"] == [0, 1, 2]
    assert rows[9]["delta"] == {"type": "input_json_delta", "partial_json": ""}
    assert rows[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None}


async def test_a_delta_byte_for_byte(http: httpx2.AsyncClient) -> None:
    body = {"model": "echo?rate=0", "stream": True, "max_tokens": 9}
    user = [{"role": "user", "content": "\u00e9\u2028\0"}]
    raw = (await http.post("/v1/messages", json={**body, "messages": user})).content
    data = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\u00e9\u2028\\u0000"}}'
    assert f"\n\nevent: content_block_delta\ndata: {data}\n\n".encode() in raw


async def test_models(messages: anthropic.AsyncAnthropic) -> None:
    names = [model.id async for model in messages.models.list()]
    assert names == ["demo", "lorem", "echo", "reasoning", "tools", "refusal", "clock"]


async def test_refused_requests(messages: anthropic.AsyncAnthropic, http: httpx2.AsyncClient) -> None:
    with pytest.raises(anthropic.NotFoundError, match="'nothing'") as missing:
        await final(messages, "nothing")
    assert missing.value.type == "not_found_error"
    assert missing.value.request_id is not None
    with pytest.raises(anthropic.BadRequestError, match="parameter 'ttft'") as malformed:
        await final(messages, "lorem?ttft=x")
    assert malformed.value.type == "invalid_request_error"
    answer = await http.post("/v1/messages", json={"model": "lorem", "messages": USER})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "max_tokens: Field required"
