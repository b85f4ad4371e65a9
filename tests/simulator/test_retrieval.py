"""Background responses asked for again: as they stand, from an event on, cancelled, and deleted."""

import asyncio
from typing import Any

import httpx2
import openai
import pytest

from simulator.retrieval import Retrieval
from simulator.texts import words
from tests.simulator.responses_client import begin, numbers, read, retrieved, until

from .conftest import Entries


async def test_the_document_as_it_stands(chat: openai.AsyncOpenAI) -> None:
    queued = await begin(chat, "lorem?deltas=500&rate=400&ttft=100")
    assert (queued.status, queued.output, queued.background) == ("queued", [], True)
    running = await until(chat, queued.id, "in_progress")
    while not running.output_text:
        running = await chat.responses.retrieve(queued.id)
    assert running.status == "in_progress"
    assert running.output[0].status == "in_progress"
    assert running.usage is None
    assert "".join(words(0, 500)).startswith(running.output_text)
    with pytest.raises(openai.BadRequestError, match="stream=true") as unstreamed:
        await chat.responses.retrieve(queued.id, stream=True)
    assert unstreamed.value.param == "stream"
    with pytest.raises(openai.BadRequestError, match="in-flight"):
        await chat.responses.delete(queued.id)
    await chat.responses.cancel(queued.id)


async def test_cancel(chat: openai.AsyncOpenAI, ended: Entries, key: str) -> None:
    stream = await begin(chat, f"lorem?deltas=1000&rate=200&key={key}", stream=True)
    events: list[Any] = []
    async for event in stream:
        events.append(event)
        if len(events) == 1:
            # Beside the first connection, not after it.
            follower = asyncio.create_task(retrieved(chat, event.response.id))
        if len(events) == 12:
            cancelled = await chat.responses.cancel(events[0].response.id)
            assert (cancelled.status, cancelled.output, cancelled.usage) == ("cancelled", [], None)
    assert (events[-1].type, events[-1].response.status) == ("response.failed", "cancelled")
    assert numbers(events) == list(range(len(events)))
    id = cancelled.id
    assert [event.to_dict() for event in await follower] == [event.to_dict() for event in events]
    assert (await chat.responses.cancel(id)).to_dict() == cancelled.to_dict()
    rows = await ended(key)
    assert [row["action"] for row in rows] == ["generate", "retrieve", "cancel", "cancel"]
    said = sum(event.type == "response.output_text.delta" for event in events)
    assert rows[0]["generated"] == rows[0]["deltas"] == said < 1000
    # And it stays so.
    assert (await chat.responses.retrieve(id)).status == "cancelled"


async def test_what_has_ended(chat: openai.AsyncOpenAI, http: httpx2.AsyncClient, key: str) -> None:
    id = (await begin(chat, f"lorem?deltas=9&rate=0&key={key}", max_output_tokens=4, stream=False)).id
    assert (await until(chat, id, "incomplete")).output_text == "".join(words(0, 9)[:4])
    with pytest.raises(openai.BadRequestError, match="incomplete"):
        await chat.responses.cancel(id)
    await chat.responses.delete(id)
    for gone in (chat.responses.retrieve(id), chat.responses.cancel(id), chat.responses.delete(id)):
        with pytest.raises(openai.NotFoundError, match=id) as missing:
            await gone
        assert (missing.value.type, missing.value.code) == ("invalid_request_error", None)
    answer = await http.delete(f"/v1/responses/{(await begin(chat, 'lorem?deltas=1&rate=0')).id}/cancel")
    assert answer.status_code == 405


async def test_cursors(chat: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    events = await read(await begin(chat, "lorem?deltas=1&rate=0", stream=True))
    id, last = events[0].response.id, events[-1].sequence_number
    assert numbers(await retrieved(chat, id, last - 1)) == [last]
    assert await retrieved(chat, id, last) == []
    for wrong in ("x", "-1", "9" * 20):
        answer = await http.get(f"/v1/responses/{id}", params={"stream": "true", "starting_after": wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after")


@pytest.mark.parametrize(
    ("path", "serves"),
    [
        ("/v1/responses/resp_1", True),
        ("/v1/responses/resp_1/cancel", True),
        ("/v1/responses", False),
        ("/v1/responses/", False),
        ("/v1/responses/resp_1/", False),
        ("/v1/responses/resp_1/input_items", False),
        ("/v1/responses/a/b/cancel", False),
        ("/v2/responses/resp_1", False),
    ],
)
def test_which_addresses_are_its_own(path: str, serves: bool) -> None:
    assert Retrieval.serves(path) is serves
