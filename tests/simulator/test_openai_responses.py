import json
from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import Response

from simulator.texts import words

from .conftest import Entries

USER = "Say something of forty characters, please"
TOOLS: Any = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("search", "book")]
ENCRYPTED: Any = ["reasoning.encrypted_content"]


async def final(client: openai.AsyncOpenAI, model: str, **options: Any) -> tuple[list[Any], Response]:
    """The events, and what the SDK's own accumulator makes of them."""
    options.setdefault("input", USER)
    async with client.responses.stream(model=model, **options) as stream:
        events = [event async for event in stream]
        response = await stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events, response


def told(events: list[Any]) -> list[str]:
    """The types without their common beginning, repeated ones once."""
    types = [event.type.removeprefix("response.") for event in events]
    return [type for n, type in enumerate(types) if n == 0 or types[n - 1] != type]


def texts(events: list[Any], type: str) -> list[str]:
    return [event.delta for event in events if event.type == f"response.{type}.delta"]


BEGIN = ["created", "in_progress"]
TEXT = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]


async def test_lorem(chat: openai.AsyncOpenAI) -> None:
    model = "lorem?deltas=30&rate=0&seed=4&cached=3"
    events, response = await final(chat, model, instructions="12345678", metadata={"a": "b"})
    assert told(events) == [*BEGIN, *TEXT, "completed"]
    assert texts(events, "output_text") == words(4, 30)
    assert response.output_text == "".join(words(4, 30))
    assert (response.model, response.status, response.instructions) == (model, "completed", "12345678")
    assert response.metadata == {"a": "b"}
    assert {event.response.id for event in (*events[:2], events[-1])} == {response.id}
    assert [event.response.status for event in events[:2]] == ["in_progress"] * 2
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 30, 42)
    assert usage.input_tokens_details.cached_tokens == 3


async def test_echo_is_exact(chat: openai.AsyncOpenAI) -> None:
    said = 'a\u0301\U0001f469\u200d\U0001f467\r\n\u2028\0\\"\U0001f600\ufefftail'
    history: Any = [
        {"role": "user", "content": "no"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "no"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "no"},
        {"role": "user", "content": [{"type": "input_text", "text": said}]},
    ]
    _, response = await final(chat, "echo?rate=0&chunk=2", input=history)
    assert response.output_text == said


async def test_reasoning_has_summary_parts_and_is_encrypted(chat: openai.AsyncOpenAI) -> None:
    events, response = await final(chat, "reasoning?deltas=9&rate=0&seed=2", include=ENCRYPTED)
    part = ["part.added", "text.delta", "text.done", "part.done"]
    summary = [f"reasoning_summary_{name}" for name in part]
    assert told(events) == [*BEGIN, TEXT[0], *summary, *summary, TEXT[-1], *TEXT, "completed"]
    thought, message = response.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.summary] == ["".join(words(2, 9)[:2]), words(2, 9)[2]]
    assert response.output_text == "".join(words(2, 9)[3:])
    assert message.type == "message"
    # What comes first may be incomplete: only the item that is done is to be sent back.
    added, done = (event.item.encrypted_content for event in (events[2], events[12]))
    assert done == thought.encrypted_content
    assert done.startswith(added)
    assert len(added) < len(done)
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    _, plain = await final(chat, "reasoning?deltas=9&rate=0&seed=2")
    assert "encrypted_content" not in plain.output[0].to_dict()


@pytest.mark.parametrize(
    ("options", "names"), [({}, ["get_weather", "get_time"]), ({"tools": TOOLS}, ["search", "book"])]
)
async def test_tools(chat: openai.AsyncOpenAI, options: Any, names: list[str]) -> None:
    events, response = await final(chat, "tools?rate=0&deltas=24", **options)
    call = [TEXT[0], "function_call_arguments.delta", "function_call_arguments.done", TEXT[-1]]
    assert told(events) == [*BEGIN, *TEXT, *call, *call, "completed"]
    calls = [item for item in response.output if item.type == "function_call"]
    assert [call.name for call in calls] == names
    assert [json.loads(call.arguments)["limit"] for call in calls] == [3, 4]
    assert len({call.call_id for call in calls}) == 2
    assert len(texts(events, "function_call_arguments")) == 12
    assert [event.output_index for event in events if event.type.endswith("item.done")] == [0, 1, 2]


async def test_refusal(chat: openai.AsyncOpenAI) -> None:
    events, response = await final(chat, "refusal?rate=0")
    assert told(events)[4:6] == ["refusal.delta", "refusal.done"]
    item = response.output[0].to_dict()
    assert item["content"] == [{"type": "refusal", "refusal": "".join(words(0, 12))}]
    assert response.status == "completed"


@pytest.mark.parametrize(("model", "kept"), [("lorem?deltas=9&rate=0", 4), ("reasoning?deltas=30&rate=0", 0)])
async def test_the_token_limit_makes_it_incomplete(chat: openai.AsyncOpenAI, model: str, kept: int) -> None:
    stream = await chat.responses.create(model=model, input=USER, max_output_tokens=4, stream=True)
    events: list[Any] = [event async for event in stream]
    last = events[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.usage.output_tokens == 4
    assert last.response.output_text == "".join(words(0, 9)[:kept])
    (item,) = last.response.output
    assert item.type == "reasoning" or item.status == "incomplete"


async def test_extras(chat: openai.AsyncOpenAI) -> None:
    include: Any = ["web_search_call.action.sources"]
    events, response = await final(chat, "lorem?rate=0&deltas=3&extras=1", include=include)
    search = [TEXT[0], *(f"web_search_call.{state}" for state in ("in_progress", "searching", "completed")), TEXT[-1]]
    text = [*TEXT[:3], "output_text.annotation.added", *TEXT[3:]]
    assert told(events) == [*BEGIN, *search, "simulator.note", *text, "completed"]
    call, message = response.output
    assert call.type == "web_search_call"
    assert call.action.type == "search"
    assert call.action.sources
    assert message.type == "message"
    assert message.content[0].type == "output_text"
    (citation,) = message.content[0].annotations
    assert citation.type == "url_citation"
    assert citation.end_index == len(response.output_text)
    with pytest.raises(openai.BadRequestError, match="extras"):
        await chat.chat.completions.create(model="lorem?extras=1", messages=[{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    "model",
    [f"{name}?rate=0" for name in ("echo", "reasoning", "tools", "refusal")] + ["lorem?rate=0&unicode=1&extras=1"],
)
async def test_without_streaming_it_says_the_same(chat: openai.AsyncOpenAI, model: str) -> None:
    def said(response: Response) -> Any:
        items = response.to_dict()["output"]
        assert isinstance(items, list)
        for item in items:
            assert isinstance(item, dict)
            assert item.pop("id")
            item.pop("parsed_arguments", None)
            for part in item.get("content", ()):
                part.pop("parsed", None)
        return items

    _, streamed = await final(chat, model)
    whole = await chat.responses.create(model=model, input=USER)
    assert said(whole) == said(streamed)
    assert whole.usage == streamed.usage
    assert whole.status == "completed"


async def test_the_bytes_of_a_stream(http: httpx2.AsyncClient) -> None:
    said = "h\u00e9llo"
    body = {"model": "echo?rate=0", "stream": True, "input": said}
    answer = await http.post("/v1/responses", json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-request-id"].startswith("req_")
    events = answer.content.decode().split("\n\n")
    # No [DONE]: the terminal event is the end.
    assert events[-1] == ""
    added = json.loads(events[2].partition("data: ")[2])
    place = f'"item_id":"{added["item"]["id"]}","output_index":0,"content_index":0'

    def event(type: str, number: int, fields: str) -> str:
        name = f"response.{type}"
        return f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{fields}}}'

    part = '"part":{"type":"output_text","annotations":[],"logprobs":[],"text":"%s"}'
    assert events[3:8] == [
        event("content_part.added", 3, f"{place},{part % ''}"),
        event("output_text.delta", 4, f'{place},"delta":"h\u00e9ll","logprobs":[]'),
        event("output_text.delta", 5, f'{place},"delta":"o","logprobs":[]'),
        event("output_text.done", 6, f'{place},"text":"{said}","logprobs":[]'),
        event("content_part.done", 7, f"{place},{part % said}"),
    ]


async def test_refused_requests(chat: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    with pytest.raises(openai.NotFoundError, match="'nothing'") as missing:
        await chat.responses.create(model="nothing", input=USER)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as previous:
        await chat.responses.create(model="lorem", input=USER, previous_response_id="resp_1")
    assert previous.value.code == "previous_response_not_found"
    with pytest.raises(openai.BadRequestError) as stateless:
        await chat.responses.create(model="lorem", input=USER, background=True, store=False)
    assert stateless.value.param == "background"
    wrongs: list[Any] = [{}, {"input": []}, {"input": [1]}, {"input": "x", "background": 1}]
    for wrong in [*wrongs, {"input": "x", "max_output_tokens": 0}]:
        answer = await http.post("/v1/responses", json={"model": "lorem", **wrong})
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (await http.get("/v1/responses")).status_code == 405


async def test_statuses(chat: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await chat.responses.create(model="lorem?fault=429&retry_after=2.5", input=USER)
    assert limited.value.response.headers["retry-after"] == "2.5"
    for fault, status in (("500", 500), ("529", 529)):
        with pytest.raises(openai.InternalServerError) as failed:
            await chat.responses.create(model=f"lorem?fault={fault}", input=USER, stream=True)
        assert failed.value.status_code == status


async def test_the_error_in_a_stream(chat: openai.AsyncOpenAI) -> None:
    stream = await chat.responses.create(model="lorem?deltas=9&rate=0&fault=error@2", input=USER, stream=True)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert told(events)[-3:] == ["output_text.delta", "error", "failed"]
    assert len(texts(events, "output_text")) == 2
    assert events[-2].code == "server_error"
    assert (events[-1].response.status, events[-1].response.error.code) == ("failed", "server_error")


async def test_keepalive_sends_comments(http: httpx2.AsyncClient, ended: Entries, key: str) -> None:
    body = {"model": f"lorem?deltas=9&rate=0&fault=keepalive@4&key={key}", "stream": True, "input": "x"}
    seen = b""
    async with http.stream("POST", "/v1/responses", json=body) as answer:
        async for data in answer.aiter_bytes():
            seen += data
            if seen.count(b": keep-alive\n\n") >= 3:
                break
    (entry,) = await ended(key)
    assert (entry["protocol"], entry["how"], entry["deltas"]) == ("openai_responses", "client_left", 4)
