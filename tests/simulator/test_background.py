"""Background responses: what is kept of a run, how it ends, and how many there may be."""

import asyncio

import openai
import pytest

from simulator.answer import compose
from simulator.background import BackgroundRun, Responses
from simulator.journal import Journal, JournalEntry
from simulator.request import Request, RequestRefusedError
from simulator.script import parse_script
from simulator.texts import words
from tests.simulator.responses_client import begin, read, retrieved, until

from .conftest import Entries


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
