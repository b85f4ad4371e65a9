"""A connection that carries a background response: whatever breaks it, another takes up what it did not carry."""

from random import Random
from typing import Any

import openai
import pytest

from simulator.texts import words
from tests.simulator.responses_client import begin, numbers, read, retrieved, until

from .conftest import Entries


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
