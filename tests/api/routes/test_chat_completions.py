"""OpenAI's own client over these routes: what it makes of answers, streams and errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from api.routes.chat_completions import router
from tests.api.harness import Api, Producer

GO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Go."}]


@pytest.fixture
async def client(api: Api) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{api.port}/v1", api_key="none", max_retries=0) as made:
        yield made


async def test_a_stream(api: Api, client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="lorem", messages=GO, stream=True, stream_options={"include_usage": True}
    )
    first = await anext(stream)
    assert first.choices[0].delta.role == "assistant"
    producer = await Producer.start(api.log, first.id.replace("chatcmpl-", "gen_"))
    await producer.say("Hello, ", "world")
    await producer.complete()
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, world"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10
    whole = await client.chat.completions.retrieve(first.id)
    assert whole.choices[0].message.content == "Hello, world"


async def test_an_answer_that_is_waited_for(api: Api, client: AsyncOpenAI) -> None:
    asked = asyncio.create_task(client.chat.completions.create(model="lorem", messages=GO))
    async with asyncio.timeout(10):
        while not (jobs := (await api.generations.queue.take("w", most=1)).jobs):
            await asyncio.sleep(0.01)
    producer = await Producer.start(api.log, jobs[0][0])
    await producer.say("Hello")
    await producer.complete()
    answer = await asked
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"


async def test_each_error_raises_its_class(api: Api, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="n "):
        await client.chat.completions.create(model="lorem", messages=GO, n=2)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.retrieve("chatcmpl-" + "a" * 32)
    stream = await client.chat.completions.create(model="lorem", messages=GO, stream=True)
    first = await anext(stream)
    producer = await Producer.start(api.log, first.id.replace("chatcmpl-", "gen_"))
    await producer.fail()
    with pytest.raises(openai.APIError, match="The provider failed"):
        [chunk async for chunk in stream]


def test_the_routes() -> None:
    assert {route.path for route in router.routes} == {  # type: ignore[attr-defined]
        "/v1/chat/completions",
        "/v1/chat/completions/{name}",
    }
