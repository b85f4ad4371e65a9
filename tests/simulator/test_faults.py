"""Each fault as the official SDKs show it, in every protocol."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai.errors import ServerError, UnknownApiResponseError

from .conftest import Entries

USER: Any = [{"role": "user", "content": "hello"}]


class Interrupted(Exception):
    """What was read before the SDK raised, and what it raised."""

    def __init__(self, texts: list[str], error: Exception) -> None:
        self.texts = texts
        self.error = error


async def chat_texts(client: openai.AsyncOpenAI, model: str) -> tuple[list[str], bool]:
    """The text deltas, and whether the finish reason came."""
    stream = await client.chat.completions.create(model=model, messages=USER, stream=True)
    texts: list[str] = []
    finished = False
    try:
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                texts.append(chunk.choices[0].delta.content)
            finished = finished or chunk.choices[0].finish_reason is not None
    except Exception as error:
        raise Interrupted(texts, error) from error
    return texts, finished


async def message_texts(client: anthropic.AsyncAnthropic, model: str) -> tuple[list[str], bool]:
    """The text deltas, and whether `message_stop` came."""
    stream = await client.messages.create(model=model, messages=USER, max_tokens=1000, stream=True)
    texts: list[str] = []
    finished = False
    try:
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                texts.append(event.delta.text)
            finished = finished or event.type == "message_stop"
    except Exception as error:
        raise Interrupted(texts, error) from error
    return texts, finished


async def response_texts(client: openai.AsyncOpenAI, model: str) -> tuple[list[str], bool]:
    """The text deltas, and whether `response.completed` came."""
    stream = await client.responses.create(model=model, input="hello", stream=True)
    texts: list[str] = []
    finished = False
    try:
        async for event in stream:
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
            finished = finished or event.type == "response.completed"
    except Exception as error:
        raise Interrupted(texts, error) from error
    return texts, finished


async def gemini_texts(client: genai.Client, model: str) -> tuple[list[str], bool]:
    """The text deltas, and whether the finish reason came."""
    texts: list[str] = []
    finished = False
    try:
        # The name goes into a path, and the SDK takes none that must be quoted for it.
        async for chunk in await client.aio.models.generate_content_stream(
            model=quote(model, safe=""), contents="hello"
        ):
            assert chunk.candidates
            if chunk.text:
                texts.append(chunk.text)
            finished = finished or chunk.candidates[0].finish_reason is not None
    except Exception as error:
        if isinstance(error, UnknownApiResponseError) and "fault=half" in model:
            # It takes what is left at the end for an event.
            return texts, False
        raise Interrupted(texts, error) from error
    return texts, finished


@pytest.fixture(params=["chat", "responses", "messages", "gemini"])
async def read(
    request: pytest.FixtureRequest,
    chat: openai.AsyncOpenAI,
    messages: anthropic.AsyncAnthropic,
    gemini: genai.Client,
) -> AsyncIterator[Any]:
    """Reads a stream of any protocol: `await read(model)`."""
    if request.param == "chat":
        yield lambda model: chat_texts(chat, model)
    elif request.param == "responses":
        yield lambda model: response_texts(chat, model)
    elif request.param == "messages":
        yield lambda model: message_texts(messages, model)
    else:
        yield lambda model: gemini_texts(gemini, model)


@pytest.mark.parametrize(("rate", "at"), [(200, 0), (200, 7), (0, 1), (0, 900)])
async def test_reset(read: Any, ended: Entries, key: str, rate: int, at: int) -> None:
    with pytest.raises(Interrupted) as caught:
        await read(f"lorem?deltas=999&rate={rate}&fault=reset@{at}&key={key}")
    assert len(caught.value.texts) == at, "what was written before the reset has arrived"
    cause: BaseException | None = caught.value.error
    while cause is not None and not isinstance(cause, ConnectionResetError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, ConnectionResetError), repr(caught.value.error)
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"]) == ("fault", at)


@pytest.mark.parametrize(("fault", "count"), [("eof@3", 3), ("half@3", 3), ("eof@last", 8), ("eof@9", 9)])
async def test_a_clean_end_without_the_marker(read: Any, ended: Entries, key: str, fault: str, count: int) -> None:
    texts, finished = await read(f"lorem?deltas=9&rate=0&fault={fault}&key={key}")
    assert (len(texts), finished) == (count, False)
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"]) == ("fault", count)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("at", [0, 4, 9])
async def test_half_ends_inside_an_event(http: httpx2.AsyncClient, path: str, at: int) -> None:
    body = {"model": f"lorem?deltas=9&rate=0&fault=half@{at}", "stream": True, "max_tokens": 99}
    raw = (await http.post(path, json={**body, "messages": USER})).content
    *events, half = raw.split(b"\n\n")
    assert half
    assert sum(b'"content":"' in event or b"text_delta" in event for event in events) == at + (
        path.endswith("completions")  # the chunk with the role has an empty content
    )
    assert not raw.endswith(b"\n")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        json.loads(half.split(b"data: ")[-1])


async def test_badjson(read: Any) -> None:
    with pytest.raises(Interrupted) as caught:
        await read("lorem?deltas=9&rate=0&fault=badjson@2")
    assert len(caught.value.texts) == 2
    assert isinstance(caught.value.error, json.JSONDecodeError | UnknownApiResponseError)


async def test_the_error_in_a_chat_stream(chat: openai.AsyncOpenAI) -> None:
    with pytest.raises(Interrupted) as caught:
        await chat_texts(chat, "lorem?deltas=9&rate=0&fault=error@2")
    assert len(caught.value.texts) == 2
    error = caught.value.error
    assert isinstance(error, openai.APIError)
    assert error.type == "server_error"


async def test_the_error_in_a_messages_stream(messages: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(Interrupted) as caught:
        await message_texts(messages, "lorem?deltas=9&rate=0&fault=error@2")
    assert len(caught.value.texts) == 2
    error = caught.value.error
    assert isinstance(error, anthropic.APIStatusError)
    assert error.type == "overloaded_error"


async def test_the_error_in_a_gemini_stream(gemini: genai.Client) -> None:
    with pytest.raises(Interrupted) as caught:
        await gemini_texts(gemini, "lorem?deltas=9&rate=0&fault=error@2")
    assert len(caught.value.texts) == 2
    error = caught.value.error
    assert isinstance(error, ServerError)
    assert (error.code, error.status) == (503, "UNAVAILABLE")


async def test_stall_is_silence(chat: openai.AsyncOpenAI, ended: Entries, key: str) -> None:
    quick = chat.with_options(timeout=0.3)
    with pytest.raises(Interrupted) as caught:
        await chat_texts(quick, f"lorem?deltas=9&rate=0&fault=stall@4&key={key}")
    assert len(caught.value.texts) == 4
    assert isinstance(caught.value.error, openai.APITimeoutError)
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"]) == ("client_left", 4)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_keepalive_sends_bytes_and_no_event(
    http: httpx2.AsyncClient, ended: Entries, key: str, path: str
) -> None:
    body = {"model": f"lorem?deltas=9&rate=0&fault=keepalive@4&key={key}", "stream": True, "max_tokens": 99}
    seen = b""
    async with http.stream("POST", path, json={**body, "messages": USER}) as answer:
        async for data in answer.aiter_bytes():
            seen += data
            if seen.count(b": keep-alive\n\n") >= 5:
                break
    after = seen[seen.index(b": keep-alive") :].split(b"\n\n")[:-1]
    assert set(after) <= {b": keep-alive", b'event: ping\ndata: {"type":"ping"}'}
    assert (len(set(after)) == 2) == path.endswith("messages")
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"]) == ("client_left", 4)


@pytest.mark.parametrize("stream", [False, True])
async def test_statuses_of_chat(chat: openai.AsyncOpenAI, stream: bool) -> None:
    async def ask(fault: str) -> Any:
        return await chat.chat.completions.create(model=f"lorem?fault={fault}", messages=USER, stream=stream)

    with pytest.raises(openai.RateLimitError) as limited:
        await ask("429&retry_after=2.5")
    assert limited.value.response.headers["retry-after"] == "2.5"
    assert limited.value.code == "rate_limit_exceeded"
    for fault, status in (("500", 500), ("529", 529)):
        with pytest.raises(openai.InternalServerError) as failed:
            await ask(fault)
        assert failed.value.status_code == status
        assert "retry-after" not in failed.value.response.headers


async def test_statuses_of_messages(messages: anthropic.AsyncAnthropic) -> None:
    seen = {}
    for fault in ("429&retry_after=7", "500", "529"):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await message_texts(messages, f"lorem?fault={fault}")
        error = caught.value
        seen[error.status_code] = (error.type, error.response.headers.get("retry-after"))
    assert seen == {429: ("rate_limit_error", "7"), 500: ("api_error", None), 529: ("overloaded_error", None)}


async def test_a_retry_succeeds_after_times(read: Any, key: str) -> None:
    model = f"lorem?deltas=3&rate=0&fault=eof@1&times=2&key={key}"
    outcomes = [await read(model) for _ in range(3)]
    assert [(len(texts), finished) for texts, finished in outcomes] == [(1, False), (1, False), (3, True)]


async def test_faults_of_a_whole_document(
    chat: openai.AsyncOpenAI, http: httpx2.AsyncClient, ended: Entries, key: str
) -> None:
    async def ask(fault: str, client: openai.AsyncOpenAI = chat) -> Any:
        model = f"lorem?deltas=3&rate=0&fault={fault}&key={key}"
        return await client.chat.completions.create(model=model, messages=USER)

    with pytest.raises(openai.APIConnectionError):
        await ask("reset")
    with pytest.raises(openai.InternalServerError):
        await ask("error")
    quick = chat.with_options(timeout=httpx2.Timeout(5, read=0.3))
    with pytest.raises(openai.APITimeoutError):
        await ask("stall", quick)
    with pytest.raises(json.JSONDecodeError):
        await ask("half")
    assert [entry["how"] for entry in await ended(key)] == ["fault", "fault", "client_left", "fault"]
