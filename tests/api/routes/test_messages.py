"""Anthropic's own client over the routes of Messages: answers, streams, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anthropic
import pytest
from anthropic import AsyncAnthropic, beta_async_tool
from anthropic.types import MessageParam

from api.routes.messages import router
from tests.api.harness import Api, Producer

GO: list[MessageParam] = [{"role": "user", "content": "Go."}]


@pytest.fixture
async def client(api: Api) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=f"http://127.0.0.1:{api.port}", api_key="none", max_retries=0) as made:
        yield made


async def test_a_stream(api: Api, client: AsyncAnthropic) -> None:
    async with client.messages.stream(model="lorem", max_tokens=100, messages=GO) as stream:
        first = await anext(stream)
        assert first.type == "message_start"
        producer = await Producer.start(api.log, first.message.id.replace("msg_", "gen_"))
        await producer.say("Hello, ", "world")
        await producer.complete()
        whole = await stream.get_final_message()
    assert [block.text for block in whole.content if block.type == "text"] == ["Hello, world"]
    assert (whole.stop_reason, whole.usage.output_tokens) == ("end_turn", 7)


async def test_an_answer_that_is_waited_for(api: Api, client: AsyncAnthropic) -> None:
    asked = asyncio.create_task(client.messages.create(model="lorem", max_tokens=100, messages=GO))
    async with asyncio.timeout(10):
        while not (jobs := (await api.generations.queue.take("w", most=1)).jobs):
            await asyncio.sleep(0.01)
    producer = await Producer.start(api.log, jobs[0][0])
    await producer.say("Hello")
    await producer.complete()
    answer = await asked
    assert [block.text for block in answer.content if block.type == "text"] == ["Hello"]
    assert answer._request_id


async def test_each_error_raises_its_class(api: Api, client: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        await client.messages.count_tokens(model="lorem", messages=GO)
    assert caught.value.response.headers["x-should-retry"] == "false"
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == "not_found_error"
    assert body["request_id"] == caught.value.response.headers["request-id"]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        await client.post("/v1/messages", body={"model": "lorem", "messages": GO}, cast_to=object)
    stream = await client.messages.create(model="lorem", max_tokens=100, messages=GO, stream=True)
    first = await anext(aiter(stream))
    assert first.type == "message_start"
    producer = await Producer.start(api.log, first.message.id.replace("msg_", "gen_"))
    await producer.fail()
    with pytest.raises(anthropic.APIStatusError, match="The provider failed"):
        [event async for event in stream]


@pytest.mark.parametrize("version", [None, "2023-06-01", "2026-10-21"])
async def test_each_version_is_taken(api: Api, version: str | None) -> None:
    headers = {"anthropic-version": version} if version else {}
    body = {"model": "lorem", "max_tokens": 5, "messages": GO, "stream": True}
    async with api.client.stream("POST", "/v1/messages?beta=true", json=body, headers=headers) as response:
        assert response.status_code == 200
        assert (await anext(response.aiter_lines())) == "event: message_start"


@pytest.mark.parametrize(("model", "ignored"), [("simulator/lorem", "betas"), ("simulator-anthropic/lorem", None)])
async def test_betas_go_to_a_provider_of_messages(client: AsyncAnthropic, model: str, ignored: str | None) -> None:
    answer = await client.beta.messages.with_raw_response.create(
        model=model, max_tokens=5, messages=[{"role": "user", "content": "Go."}], betas=["a", "b"], stream=True
    )
    assert answer.headers.get("midstream-ignored") == ignored


def test_the_routes() -> None:
    paths = {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert paths == {"/v1/messages", "/v1/messages/count_tokens", "/v1/messages/{name}"}


@beta_async_tool
async def rain(place: str) -> str:
    """Says whether it rains at a place."""
    return f"It rains in {place}."


async def test_the_tool_runner_goes_on_without_a_thread(api: Api, client: AsyncAnthropic) -> None:
    """It asks for a thread, which is kept by nobody here, and sends all messages where it is told so."""
    runner = client.beta.messages.tool_runner(
        model="lorem", max_tokens=100, messages=[{"role": "user", "content": "Go."}], tools=[rain]
    )
    asked = asyncio.create_task(anext(runner))
    async with asyncio.timeout(10):
        while not (jobs := (await api.generations.queue.take("w", most=1)).jobs):
            await asyncio.sleep(0.01)
    producer = await Producer.start(api.log, jobs[0][0])
    await producer.say("Hello")
    await producer.complete()
    assert [block.text for block in (await asked).content if block.type == "text"] == ["Hello"]
