"""Background responses: what goes on without its connection, and how it is taken up again."""

import asyncio
import time
from random import Random
from typing import Any

import httpx2
import openai
import pytest

from simulator.answer import compose
from simulator.background import BackgroundRun, Responses
from simulator.journal import Journal, JournalEntry
from simulator.request import Request, RequestRefusedError
from simulator.script import parse_script
from simulator.texts import words

from .conftest import Entries

USER = "Say something of forty characters, please"


async def begin(client: openai.AsyncOpenAI, model: str, **options: Any) -> Any:
    return await client.responses.create(model=model, input=USER, background=True, **options)


async def read(stream: Any) -> list[Any]:
    """The events until the stream ends or breaks."""
    events: list[Any] = []
    try:
        async for event in stream:
            events.append(event)
    except (openai.APIError, ValueError):
        pass
    return events


async def retrieved(client: openai.AsyncOpenAI, id: str, after: int | None = None) -> list[Any]:
    options: dict[str, Any] = {} if after is None else {"starting_after": after}
    return await read(await client.responses.retrieve(id, stream=True, **options))


def numbers(events: list[Any]) -> list[int]:
    return [event.sequence_number for event in events]


async def until(client: openai.AsyncOpenAI, id: str, *statuses: str) -> Any:
    deadline = time.monotonic() + 10
    while (response := await client.responses.retrieve(id)).status not in statuses:
        assert time.monotonic() < deadline, response.status
        await asyncio.sleep(0.005)
    return response


@pytest.mark.parametrize("model", ["reasoning?deltas=40", "tools?deltas=40", "lorem?deltas=40&extras=1"])
async def test_a_connection_lost_anywhere_is_taken_up_without_a_gap(
    chat: openai.AsyncOpenAI, ended: Entries, key: str, model: str
) -> None:
    random = Random(model)
    stream = await begin(chat, f"{model}&rate=200&key={key}", stream=True, include=["reasoning.encrypted_content"])
    joined: list[Any] = []
    keep = random.randint(1, 12)
    while True:
        async with stream:
            async for event in stream:
                joined.append(event)
                if len(joined) == keep:
                    break
        if event.type == "response.completed":
            break
        keep += random.randint(1, 30)
        id = joined[0].response.id
        stream = await chat.responses.retrieve(id, stream=True, starting_after=numbers(joined)[-1])
    assert numbers(joined) == list(range(len(joined)))
    assert [event.type for event in joined[:3]] == [f"response.{s}" for s in ("created", "queued", "in_progress")]
    whole = await retrieved(chat, id)
    assert [event.to_dict() for event in whole] == [event.to_dict() for event in joined]
    final = joined[-1].response
    assert (await chat.responses.retrieve(id)).to_dict() == final.to_dict()
    rows = await ended(key)
    begun, *others = rows
    assert (begun["action"], begun["response_id"], begun["generated"]) == ("generate", id, 40)
    assert {(row["action"], row["response_id"], row["generated"]) for row in others} == {("retrieve", id, None)}
    assert sum(row["deltas"] for row in rows[:-2]) >= 40
    assert [row["deltas"] for row in rows[-2:]] == [40, 0], "all of them, and the document"


@pytest.mark.parametrize("fault", ["reset", "eof", "half", "badjson"])
async def test_a_fault_breaks_the_connection_and_not_the_run(
    chat: openai.AsyncOpenAI, ended: Entries, key: str, fault: str
) -> None:
    for at, carried in (("0", 0), ("7", 7), ("last", 19), ("20", 20)):
        name = f"{key}-{at}"
        first = await read(await begin(chat, f"lorem?deltas=20&rate=0&fault={fault}@{at}&key={name}", stream=True))
        assert sum(event.type == "response.output_text.delta" for event in first) == carried
        rest = await retrieved(chat, first[0].response.id, first[-1].sequence_number)
        assert numbers(first + rest) == list(range(len(first + rest)))
        assert rest[-1].response.output_text == "".join(words(0, 20))
        begun, again = await ended(name)
        assert (begun["how"], begun["deltas"], begun["generated"]) == ("fault", carried, 20)
        assert (again["how"], again["deltas"], again["generated"]) == ("complete", 20 - carried, None)


async def test_times_lets_a_fault_strike_retrievals_too(chat: openai.AsyncOpenAI, ended: Entries, key: str) -> None:
    stream = await begin(chat, f"lorem?deltas=20&rate=0&fault=eof@4&times=3&key={key}", stream=True)
    joined = await read(stream)
    for _ in range(3):
        joined += await retrieved(chat, joined[0].response.id, joined[-1].sequence_number)
    assert numbers(joined) == list(range(len(joined)))
    assert joined[-1].type == "response.completed"
    rows = await ended(key)
    # The place counts what a connection carries.
    assert [(row["how"], row["deltas"]) for row in rows] == [*[("fault", 4)] * 3, ("complete", 8)]


@pytest.mark.parametrize("fault", ["stall", "keepalive"])
async def test_a_silent_connection_does_not_hold_the_run(
    chat: openai.AsyncOpenAI, ended: Entries, key: str, fault: str
) -> None:
    stream = await begin(chat, f"lorem?deltas=20&rate=0&fault={fault}@5&key={key}", stream=True)
    seen: list[Any] = []
    async with stream:
        async for event in stream:
            seen.append(event)
            if sum(event.type == "response.output_text.delta" for event in seen) == 5:
                break
        id = seen[0].response.id
        assert (await until(chat, id, "completed")).output_text == "".join(words(0, 20))
    (begun, *_) = await ended(key)
    assert (begun["how"], begun["deltas"], begun["generated"]) == ("client_left", 5, 20)


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


async def test_the_error_of_a_run_is_kept(chat: openai.AsyncOpenAI) -> None:
    events = await read(await begin(chat, "lorem?deltas=9&rate=0&fault=error@2", stream=True))
    assert [event.type for event in events[-3:]] == ["response.output_text.delta", "error", "response.failed"]
    id = events[0].response.id
    assert [event.to_dict() for event in await retrieved(chat, id)] == [event.to_dict() for event in events]
    failed = await chat.responses.retrieve(id)
    assert (failed.status, failed.output_text) == ("failed", "".join(words(0, 9)[:2]))
    assert failed.error is not None
    assert failed.error.code == "server_error"


async def test_a_fault_without_streaming(chat: openai.AsyncOpenAI, ended: Entries, key: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        await begin(chat, f"lorem?deltas=3&rate=0&fault=reset&key={key}")
    (entry,) = await ended(key)
    assert (await until(chat, entry["response_id"], "completed")).output_text == "".join(words(0, 3))
    (begun, *_) = await ended(key)
    assert (begun["how"], begun["deltas"], begun["generated"]) == ("fault", 0, 3)


async def test_cursors(chat: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    events = await read(await begin(chat, "lorem?deltas=1&rate=0", stream=True))
    id, last = events[0].response.id, events[-1].sequence_number
    assert numbers(await retrieved(chat, id, last - 1)) == [last]
    assert await retrieved(chat, id, last) == []
    for wrong in ("x", "-1", "9" * 20):
        answer = await http.get(f"/v1/responses/{id}", params={"stream": "true", "starting_after": wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after")


class TestStorage:
    """In this process: filling a real one would take a quarter of a gigabyte."""

    def start(self, responses: Responses, model: str) -> tuple[BackgroundRun, JournalEntry]:
        script = parse_script(model)
        request = Request(
            model=model,
            stream=True,
            last_user="",
            prompt_tokens=1,
            max_tokens=None,
            tools=(),
            background=True,
        )
        entry = Journal().open("openai_responses", model, "")
        return responses.start(request, script, compose(script, request, interleave=False), None, entry), entry

    async def end(self, *runs: BackgroundRun) -> None:
        async with asyncio.timeout(10):
            while not all(run.ended for run in runs):
                await asyncio.sleep(0.001)

    async def test_the_first_that_ended_goes_first(self) -> None:
        responses = Responses(max_responses=3)
        slow, _ = self.start(responses, "lorem?rate=0.001")
        first, _ = self.start(responses, "lorem?deltas=1&rate=0")
        await self.end(first)
        second, _ = self.start(responses, "lorem?deltas=1&rate=0")
        await self.end(second)
        third, _ = self.start(responses, "lorem?rate=0.001")
        with pytest.raises(RequestRefusedError, match="not found") as gone:
            responses.get(first.writer.id)
        assert gone.value.status == 404
        assert [responses.get(run.writer.id) for run in (slow, second, third)] == [slow, second, third]
        fourth, _ = self.start(responses, "lorem?rate=0.001")
        with pytest.raises(RequestRefusedError, match="running") as full:
            self.start(responses, "lorem?rate=0.001")
        assert full.value.status == 429
        assert responses.size == sum(run.size for run in (slow, third, fourth))
        for run in (slow, third, fourth):
            run.cancel()

    async def test_bytes_are_bounded(self) -> None:
        responses = Responses(max_bytes=150_000)
        old, _ = self.start(responses, "lorem?deltas=200&rate=0")
        await self.end(old)
        new, _ = self.start(responses, "lorem?deltas=300&rate=0")
        await self.end(new)
        assert new.writer.status == "completed"
        with pytest.raises(RequestRefusedError, match="not found"):
            responses.get(old.writer.id)
        large, entry = self.start(responses, "lorem?deltas=9000&rate=0")
        await self.end(large)
        assert large.writer.status == "failed"
        assert responses.size < 160_000
        assert entry.generated == len(large.said) < 9000
        numbers = [int(event.partition(b'"sequence_number":')[2].partition(b",")[0]) for event in large.events]
        assert numbers == list(range(len(large.events)))
