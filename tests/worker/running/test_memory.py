"""What has ended is let go without the collector, however it ended: nothing that a generation held refers to itself."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.config.settings import Settings
from shared.record import Record
from shared.request.generation_request import GenerationRequest
from tests.worker.conftest import Eventually, Midstream, said_something, working
from worker.running.generation_run import GenerationRun
from worker.writing.writer import Writer

KINDS = (GenerationRun, Writer, Record, GenerationRequest, httpx2.Request, httpx2.Response)
LARGE = [{"role": "user", "content": "x" * 100_000}]
PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> Counter[str]:
    """How many there are of each kind."""
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, KINDS))


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("model", "fields", "end"),
    [
        *((f"{name}/lorem?deltas=3&rate=0", {}, "completed") for name in PROVIDERS),
        *((f"{name}/lorem?deltas=9&rate=0&fault=error@4", {"on_interrupt": "fail"}, "failed") for name in PROVIDERS),
        *((f"{name}/lorem?fault=429", {}, "failed") for name in PROVIDERS),
        *((f"{name}/lorem?deltas=900&rate=30", {}, "cancelled") for name in PROVIDERS),
        ("simulator/lorem?deltas=9&rate=0&fault=reset@4&times=1&key=KEY", {}, "completed"),
        ("simulator/lorem?deltas=9&rate=0&fault=stall@4", {"on_interrupt": "fail", "idle_timeout": 0.3}, "failed"),
        ("simulator/lorem?deltas=900&rate=30", {"deadline": 0.5}, "failed"),
        ("simulator/lorem?fault=500", {"fallback": ["simulator/lorem?deltas=3&rate=0"]}, "completed"),
        ("simulator/lorem?deltas=3&rate=0&key=KEY", {"cache": {"ttl": 60}}, "completed"),
        ("nowhere/m", {}, "failed"),
    ],
)
async def test_what_has_ended_is_let_go(
    settings: Settings,
    midstream: Midstream,
    eventually: Eventually,
    key: str,
    model: str,
    fields: dict[str, Any],
    end: str,
) -> None:
    async with working(settings):
        before = alive()
        for _ in range(2):
            asked = await midstream.ask(model.replace("KEY", key), messages=LARGE, **fields)
            if end == "cancelled":
                await midstream.until(asked, said_something)
                await midstream.generations.cancel(asked)
            ended = await midstream.ended(asked)
            assert ended[-1].type == end, ended[-1]

        async def none_is_left() -> bool:
            return alive() <= before

        await eventually(none_is_left)


@pytest.mark.usefixtures("uncollected")
async def test_a_large_request_does_not_stay_as_long_as_its_answer_takes(
    settings: Settings, midstream: Midstream, eventually: Eventually
) -> None:
    async with working(settings):
        before = alive()["GenerationRequest"]
        asked = await midstream.ask("simulator/lorem?deltas=900&rate=30", messages=LARGE)
        await midstream.until(asked, said_something)

        async def only_its_head() -> bool:
            held = [each for each in gc.get_objects() if isinstance(each, GenerationRequest) and each.messages]
            return len(held) <= before

        await eventually(only_its_head)

        async def nor_more_of_its_json_than_must_be() -> bool:
            return all(len(run.kept.stored.kept) < 1_000 for run in gc.get_objects() if isinstance(run, GenerationRun))

        await eventually(nor_more_of_its_json_than_must_be)
        await midstream.generations.cancel(asked)
        await midstream.ended(asked)
    await asyncio.sleep(0)
