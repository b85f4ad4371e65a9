"""Streams of all dialects as a client that counts events reads them, and what the vendors' own code makes of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response
from pydantic import TypeAdapter

ADDRESSES = {
    "Chat": "/v1/chat/completions/chatcmpl-{}",
    "Responses": "/v1/responses/resp_{}",
    "Messages": "/v1/messages/msg_{}",
}
ENDINGS = {"Chat": b"data: [DONE]\n\n", "Responses": b"data: [DONE]\n\n", "Messages": b""}
_event: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


class Answer(NamedTuple):
    """What was said, in words that all dialects have."""

    text: str
    reasoning: str
    refusal: str
    calls: tuple[tuple[str, str], ...]
    """Name and arguments of each call."""
    tokens: tuple[int, int]
    """Of input, what came from a cache included, and of output."""


def address(dialect: str, generation_id: str) -> str:
    return ADDRESSES[dialect].format(generation_id.removeprefix("gen_"))


def numbered(body: bytes) -> list[bytes]:
    """The events of a body that count, whole; what a cut left half is dropped."""
    *complete, _ = body.split(b"\n\n")
    events = [b"\n".join(line for line in block.split(b"\n") if not line.startswith(b":")) for block in complete]
    return [one + b"\n\n" for one in events if one and one != b"data: [DONE]" and not one.startswith(b"event: ping\n")]


async def joined(
    http: httpx2.AsyncClient, apis: Sequence[str], dialect: str, generation_id: str, chance: random.Random
) -> bytes:
    """The events of one client that loses its connection again and again, and goes on at another node."""
    seen: list[bytes] = []
    for _ in range(100):
        query = "?stream=true" + (f"&starting_after={len(seen) - 1}" if seen else "")
        body, most = b"", chance.randint(1, 40_000) if len(seen) < 100_000 else None
        ended = False
        async with http.stream("GET", chance.choice(apis) + address(dialect, generation_id) + query) as response:
            assert response.status_code == 200
            async for chunk in response.aiter_raw():
                body += chunk
                if most is not None and len(body) > most:
                    break
            else:
                ended = True
        seen += numbered(body)
        if ended:
            assert body.endswith(ENDINGS[dialect])
            return b"".join(seen) + ENDINGS[dialect]
    raise AssertionError("it never came to the end")


async def uncut(http: httpx2.AsyncClient, api: str, dialect: str, generation_id: str) -> bytes:
    """The same in one connection."""
    async with http.stream("GET", api + address(dialect, generation_id) + "?stream=true") as response:
        assert response.status_code == 200
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    assert body.endswith(ENDINGS[dialect])
    return b"".join(numbered(body)) + ENDINGS[dialect]


def _data(body: bytes) -> list[Any]:
    lines = (line for event in numbered(body) for line in event.split(b"\n") if line.startswith(b"data: "))
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def read_chat(body: bytes) -> Answer:
    """By openai's own accumulation."""
    state: Any = ChatCompletionStreamState()
    reasoning = ""
    for data in _data(body):
        chunk = ChatCompletionChunk.model_validate(data)
        state.handle_chunk(chunk)
        for choice in chunk.choices:
            reasoning += (choice.delta.model_extra or {}).get("reasoning_content") or ""
    whole = state.current_completion_snapshot
    message, usage = whole.choices[0].message, whole.usage
    calls = tuple((call.function.name, call.function.arguments) for call in message.tool_calls or ())
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Answer(message.content or "", reasoning, message.refusal or "", calls, tokens)


def read_responses(body: bytes) -> Answer:
    """From the final object, as openai's types have it; numbers are dense, and deltas add up to what it says."""
    events = _data(body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    whole = Response.model_validate(events[-1]["response"])
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert text == whole.output_text
    reasoning, refusal, calls = "", "", []
    for item in whole.output:
        if item.type == "reasoning":
            reasoning += "".join(part.text for part in item.summary)
        elif item.type == "function_call":
            calls.append((item.name, item.arguments))
        elif item.type == "message":
            refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
    assert whole.usage is not None
    return Answer(text, reasoning, refusal, tuple(calls), (whole.usage.input_tokens, whole.usage.output_tokens))


def read_messages(body: bytes) -> Answer:
    """By anthropic's own accumulation. It says a refusal as text."""
    message: Any = None
    inputs: dict[int, bytes] = {}
    for data in _data(body):
        message = accumulate_event(event=_event.validate_python(data), current_snapshot=message, json_bufs=inputs)
    texts = [block.text for block in message.content if block.type == "text"]
    thoughts = [block.thinking for block in message.content if block.type == "thinking"]
    calls = tuple((block.name, json.dumps(block.input)) for block in message.content if block.type == "tool_use")
    usage = message.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    refused = message.stop_reason == "refusal"
    text = "".join(texts)
    tokens = (usage.input_tokens + cached, usage.output_tokens)
    return Answer("" if refused else text, "".join(thoughts), text if refused else "", calls, tokens)


READERS = {"Chat": read_chat, "Responses": read_responses, "Messages": read_messages}


async def everywhere(
    http: httpx2.AsyncClient, apis: Sequence[str], generation_id: str, chance: random.Random
) -> dict[str, Answer]:
    """What each dialect says, live and through cuts; after the end the uncut stream is the same, byte for byte."""
    streams = await asyncio.gather(*(joined(http, apis, one, generation_id, chance) for one in ADDRESSES))
    again = await asyncio.gather(*(uncut(http, apis[-1], one, generation_id) for one in ADDRESSES))
    for one, cut, whole in zip(ADDRESSES, streams, again, strict=True):
        assert cut == whole, one
    return {one: READERS[one](stream) for one, stream in zip(ADDRESSES, streams, strict=True)}
