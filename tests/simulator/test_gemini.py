import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from google import genai
from google.genai.errors import ClientError, ServerError
from google.genai.types import Candidate, GenerateContentConfig, GenerateContentResponse, Part

from simulator.texts import words

from .conftest import Entries

USER = "Say something of forty characters, please"


async def stream(
    client: genai.Client, model: str, contents: Any = USER, **config: Any
) -> list[GenerateContentResponse]:
    """The chunks that the SDK makes of the stream."""
    asked = GenerateContentConfig.model_validate(config)
    chunks = await client.aio.models.generate_content_stream(
        model=quote(model, safe=""), contents=contents, config=asked
    )
    return [chunk async for chunk in chunks]


def candidate(chunk: GenerateContentResponse) -> Candidate:
    assert chunk.candidates
    (found,) = chunk.candidates
    return found


def pieces(chunks: list[GenerateContentResponse]) -> list[Part]:
    """All parts, texts of one kind joined."""
    joined: list[Part] = []
    for chunk in chunks:
        content = candidate(chunk).content
        assert content is not None
        assert content.role == "model"
        for part in content.parts or ():
            if part.text is None or not joined or joined[-1].text is None or part.thought != joined[-1].thought:
                if part.text != "":
                    joined.append(part)
                continue
            joined[-1].text = (joined[-1].text or "") + part.text
            joined[-1].thought_signature = part.thought_signature or joined[-1].thought_signature
    return joined


async def test_lorem(gemini: genai.Client) -> None:
    chunks = await stream(gemini, "lorem?deltas=30&rate=0&seed=4&cached=3", system_instruction="12345678")
    assert [part.text for part in pieces(chunks)] == ["".join(words(4, 30))]
    assert [candidate(chunk).finish_reason for chunk in chunks] == [None] * 30 + ["STOP"]
    assert {chunk.model_version for chunk in chunks} == {"lorem?deltas=30&rate=0&seed=4&cached=3"}
    assert len({chunk.response_id for chunk in chunks}) == 1
    counts = [chunk.usage_metadata for chunk in chunks]
    # The cache is part of the prompt: 41 + 8 characters are 12 tokens.
    assert [c.prompt_token_count for c in counts if c] == [12] * 31
    assert [c.cached_content_token_count for c in counts if c] == [3] * 31
    assert [c.candidates_token_count for c in counts if c] == [*range(1, 31), 30]
    assert [c.total_token_count for c in counts if c] == [*range(13, 43), 42]


async def test_echo_is_exact(gemini: genai.Client) -> None:
    said = 'a\u0301\U0001f469\u200d\U0001f467\r\n\u2028\0\\"\U0001f600\ufefftail'
    history = [
        {"role": "user", "parts": [{"text": "no"}]},
        {"role": "model", "parts": [{"text": "no"}]},
        {"role": "user", "parts": [{"text": said}]},
    ]
    chunks = await stream(gemini, "echo?rate=0&chunk=2", history)
    assert "".join(chunk.text or "" for chunk in chunks) == said


async def test_reasoning_is_signed(gemini: genai.Client) -> None:
    chunks = await stream(gemini, "reasoning?deltas=9&rate=0&seed=2")
    thought, text = pieces(chunks)
    assert (thought.thought, thought.text) == (True, "".join(words(2, 9)[:3]))
    assert (text.thought, text.text) == (None, "".join(words(2, 9)[3:]))
    assert text.thought_signature
    counts = chunks[-1].usage_metadata
    assert counts is not None
    assert (counts.thoughts_token_count, counts.candidates_token_count) == (3, 6)
    assert counts.total_token_count == 9 + (counts.prompt_token_count or 0)


TOOLS = [{"function_declarations": [{"name": "search"}, {"name": "book"}]}]


@pytest.mark.parametrize(
    ("config", "names"), [({}, ["get_weather", "get_time"]), ({"tools": TOOLS}, ["search", "book"])]
)
async def test_tools(gemini: genai.Client, config: Any, names: list[str]) -> None:
    chunks = await stream(gemini, "tools?rate=0&deltas=6", **config)
    text, *calls = pieces(chunks)
    assert text.text == "".join(words(0, 4))
    made = [call.function_call for call in calls if call.function_call]
    assert [call.name for call in made] == names
    assert [call.args["limit"] for call in made if call.args] == [3, 4]
    assert len({call.id for call in made}) == 2
    assert [bool(call.thought_signature) for call in calls] == [True, False]
    assert candidate(chunks[-1]).finish_reason == "STOP"
    # Six deltas, and the end.
    assert len(chunks) == 7


async def test_refusal(gemini: genai.Client) -> None:
    last = candidate((await stream(gemini, "refusal?rate=0"))[-1])
    assert last.finish_reason == "SAFETY"
    assert [rating.blocked for rating in last.safety_ratings or ()] == [True]


async def test_the_token_limit_stops_it(gemini: genai.Client) -> None:
    chunks = await stream(gemini, "lorem?deltas=9&rate=0", max_output_tokens=4)
    assert [part.text for part in pieces(chunks)] == ["".join(words(0, 9)[:4])]
    assert candidate(chunks[-1]).finish_reason == "MAX_TOKENS"


@pytest.mark.parametrize(
    "model", ["lorem?rate=0&unicode=1", "echo?rate=0", "reasoning?rate=0", "tools?rate=0", "refusal?rate=0"]
)
async def test_without_streaming_it_says_the_same(gemini: genai.Client, model: str) -> None:
    chunks = await stream(gemini, model)
    whole = await gemini.aio.models.generate_content(model=quote(model, safe=""), contents=USER)
    content = candidate(whole).content
    assert content is not None
    assert content.parts == pieces(chunks)
    assert candidate(whole).finish_reason == candidate(chunks[-1]).finish_reason
    assert candidate(whole).safety_ratings == candidate(chunks[-1]).safety_ratings
    assert whole.usage_metadata == chunks[-1].usage_metadata


def body(text: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_a_delta_byte_for_byte(http: httpx2.AsyncClient, version: str) -> None:
    path = f"/{version}/models/echo%3Frate%3D0:streamGenerateContent?alt=sse"
    answer = await http.post(path, json=body("\u00e9\u2028\0"))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    part = '{"text":"\u00e9\u2028\\u0000"}'
    head = f'data: {{"candidates":[{{"content":{{"parts":[{part}],"role":"model"}},"index":0}}],"usageMetadata":{{'
    assert answer.content.startswith(head.encode())
    *events, rest = answer.content.split(b"\r\n\r\n")
    assert rest == b""
    assert all(json.loads(event.removeprefix(b"data: ")) for event in events)


async def test_models(gemini: genai.Client) -> None:
    names = [model.name async for model in await gemini.aio.models.list()]
    assert names == [f"models/{name}" for name in ("demo", "lorem", "echo", "reasoning", "tools", "refusal", "clock")]


async def test_refused_requests(gemini: genai.Client, http: httpx2.AsyncClient) -> None:
    with pytest.raises(ClientError, match="'nothing'") as missing:
        await stream(gemini, "nothing")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")
    with pytest.raises(ClientError, match="parameter 'ttft'") as malformed:
        await stream(gemini, "lorem?ttft=x")
    assert (malformed.value.code, malformed.value.status) == (400, "INVALID_ARGUMENT")
    path = "/v1beta/models/lorem:generateContent"
    wrongs: list[Any] = [
        {},
        {"contents": []},
        {"contents": [{"parts": []}]},
        {"contents": [{"role": "x", "parts": [{}]}]},
    ]
    for wrong in wrongs:
        assert (await http.post(path, json=wrong)).json()["error"]["status"] == "INVALID_ARGUMENT"
    assert (await http.post(path, json=body("x") | {"generationConfig": {"maxOutputTokens": 0}})).status_code == 400
    assert (await http.get(path)).status_code == 405
    assert (await http.post("/v1beta/models/lorem:countTokens", json={})).status_code == 404


async def test_statuses(gemini: genai.Client) -> None:
    with pytest.raises(ClientError) as limited:
        await stream(gemini, "lorem?fault=429&retry_after=2.5")
    assert (limited.value.code, limited.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert limited.value.details["error"]["details"][0]["retryDelay"] == "2.5s"
    for fault, status in (("500", "INTERNAL"), ("529", "UNAVAILABLE")):
        with pytest.raises(ServerError) as failed:
            await stream(gemini, f"lorem?fault={fault}")
        assert (failed.value.code, failed.value.status) == (int(fault), status)


async def test_keepalive_sends_comments(http: httpx2.AsyncClient, ended: Entries, key: str) -> None:
    model = quote(f"lorem?deltas=9&rate=0&fault=keepalive@4&key={key}", safe="")
    seen = b""
    async with http.stream("POST", f"/v1beta/models/{model}:streamGenerateContent", json=body("x")) as answer:
        async for data in answer.aiter_bytes():
            seen += data
            if seen.count(b": keep-alive\r\n\r\n") >= 3:
                break
    (entry,) = await ended(key)
    assert (entry["protocol"], entry["how"], entry["deltas"]) == ("gemini", "client_left", 4)
