"""OpenAI's own client over the routes of Responses: answers, streams, background, cancel, deletion, what was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from api.routes.responses import router
from shared.log.events import Completed
from tests.api.exchange.dialect_posts import RESPONSES
from tests.api.exchange.test_asking import begun
from tests.api.harness import Api, Producer


@pytest.fixture
async def client(api: Api) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{api.port}/v1", api_key="none", max_retries=0) as made:
        yield made


async def test_a_stream_and_what_follows_an_event(api: Api, client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="lorem", input="Go.", stream=True)
    first = await anext(stream)
    assert first.type == "response.created"
    producer = await Producer.start(api.log, first.response.id.replace("resp_", "gen_"))
    await producer.say("Hello, ", "world")
    await producer.complete()
    rest = [event async for event in stream]
    assert [event.sequence_number for event in (first, *rest)] == list(range(len(rest) + 1))
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == "Hello, world"
    resumed = await client.responses.retrieve(first.response.id, stream=True, starting_after=4)
    assert [event async for event in resumed] == rest[4:]
    assert (await client.responses.retrieve(first.response.id)).output_text == "Hello, world"


async def test_one_in_the_background_is_shown_as_it_stands(api: Api, client: AsyncOpenAI) -> None:
    queued = await client.responses.create(model="lorem", input="Go.", background=True)
    assert (queued.status, queued.background) == ("queued", True)
    generation_id = queued.id.replace("resp_", "gen_")
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hel")
    running = await client.responses.retrieve(queued.id)
    assert running.status == "in_progress"
    await producer.fail()
    failed = await client.responses.retrieve(queued.id)
    assert failed.status == "failed"
    assert failed.error is not None
    with pytest.raises(openai.BadRequestError, match="store"):
        await client.responses.create(model="lorem", input="Go.", background=True, store=False)


async def test_a_cancel_and_a_deletion(api: Api, client: AsyncOpenAI) -> None:
    queued = await client.responses.create(model="lorem", input="Go.", background=True)
    producer = await Producer.start(api.log, queued.id.replace("resp_", "gen_"))
    await producer.say("Hel")
    await producer.cancel()
    cancelled = await client.responses.cancel(queued.id)
    assert cancelled.status == "cancelled"
    await client.responses.delete(queued.id)
    with pytest.raises(openai.APIStatusError) as caught:
        await client.responses.retrieve(queued.id)
    assert caught.value.status_code == 410
    with pytest.raises(openai.NotFoundError):
        await client.responses.cancel("resp_" + "a" * 32)


async def test_what_was_asked_is_listed(client: AsyncOpenAI) -> None:
    queued = await client.responses.create(
        model="lorem",
        background=True,
        instructions="Be brief.",
        input=[
            {"role": "user", "content": "One"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "1"},
            {"role": "user", "content": "Two"},
        ],
        tools=[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
    )
    newest = [item async for item in client.responses.input_items.list(queued.id, limit=1)]
    assert [item.type for item in newest] == ["message", "function_call_output", "function_call", "message"]
    oldest = await client.responses.input_items.list(queued.id, order="asc", limit=2)
    assert [item.id for item in oldest.data] == [item.id for item in reversed(newest)][:2]
    with pytest.raises(openai.BadRequestError, match="after"):
        await client.responses.input_items.list(queued.id, after="msg_x")


async def test_an_answer_that_was_cut_says_so(api: Api) -> None:
    waiting, generation_id = await begun(api, RESPONSES)
    producer = await Producer.start(api.log, generation_id)
    await producer.say("Hel")
    await producer.write(Completed(finish_reason="length"))
    answer = (await waiting).json()
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_the_routes() -> None:
    paths = {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert paths == {"/v1/responses" + rest for rest in ("", "/{name}", "/{name}/cancel", "/{name}/input_items")}
