"""Answers that go on where they broke off, while workers are killed and provider connections reset at random points."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2
import pytest
import pytest_asyncio

from tests.conftest import TEST_SEED
from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

PROTOCOLS = ("simulator", "simulator-anthropic")
DELTAS = 120
KILLS = 4
SEED = random.SystemRandom().randrange(1_000_000) if TEST_SEED is None else TEST_SEED
"""Of the random points; a failure names it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two workers; every interruption counts as a failed attempt, and there are more of them than usual."""
    environment = {
        "MIDSTREAM_LEASE": "1.5", "MIDSTREAM_MAX_ATTEMPTS": "20",
    }  # fmt: skip
    async with Stack(tmp_path_factory.mktemp("continue"), workers=2, environment=environment) as running:
        yield running
        running.show()


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        yield client


async def resuming(api: str, generation_id: str, dice: random.Random) -> list[tuple[str, str, dict[str, Any]]]:
    """The events of a viewer whose connection is cut after random numbers of bytes."""
    seen: list[bytes] = []
    while not seen or parse(seen[-1])[0][1] not in ("completed", "failed", "cancelled"):
        async with connect(api, generation_id, cursor_of(seen[-1]) if seen else "") as response:
            assert response.status == 200
            budget = dice.randrange(200, 6_000)
            while len(response.body) < budget and await response.more():
                pass
            seen += blocks(response.body)
    return parse(b"".join(seen))


def joined(events: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, str]]:
    """Kind and text of each part, as docs/protocol.md tells a viewer to put them together."""
    parts: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []
    for _, event, data in events:
        if event == "attempt":
            places = []
            if not data["continues"]:
                parts = []
        elif event == "part":
            newest = [p for p in parts if (p["kind"], p["item_id"]) == (data["kind"], data.get("item_id"))]
            if not data.get("resumes"):
                newest = [{"kind": data["kind"], "item_id": data.get("item_id"), "text": ""}]
                parts += newest
            assert len(places) == data["part"]
            places.append(newest[-1])
        elif event == "delta":
            places[data["part"]]["text"] += data["delta"]
    return [(part["kind"], part["text"]) for part in parts]


def said_before(events: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
    """Characters of text, white space at its end left out, that each continuing attempt found."""
    text, found = "", []
    for _, event, data in events:
        if event == "attempt":
            if data["continues"]:
                found.append(len(text.rstrip()))
            else:
                text = ""
        elif event == "delta" and data["kind"] == "text":
            text += data["delta"]
    return found


async def snapshot(http: httpx2.AsyncClient, api: str, generation_id: str) -> dict[str, Any]:
    """What the API says of a generation."""
    found: dict[str, Any] = (await http.get(f"{api}/v1/generations/{generation_id}")).json()
    return found


def parts(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A snapshot's, but for ids."""
    return [(part["kind"], part["complete"], part["text"], part["arguments"]) for part in found["parts"]]


async def kill_now_and_then(stack: Stack, dice: random.Random) -> None:
    """SIGKILL for one of the workers, whatever it is at, and another in its place, as a supervisor does."""
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.2, 1.2))
        victim = dice.choice(stack.workers)
        await victim.kill()
        await victim.start()


class Broken(NamedTuple):
    """An answer that was killed and reset, and what came of it."""

    script: str
    id: str
    events: list[tuple[str, str, dict[str, Any]]]
    requests: list[dict[str, Any]]
    """The provider's journal of it."""

    @property
    def attempts(self) -> list[dict[str, Any]]:
        return [data for _, event, data in self.events if event == "attempt"]


async def broken(stack: Stack, http: httpx2.AsyncClient, scripts: list[str], *, resets: int) -> AsyncIterator[Broken]:
    """Ask for each, reset each so often, and kill workers meanwhile."""
    dice, api = random.Random(SEED), stack.apis[0].url
    keys = [uuid.uuid4().hex for _ in scripts]
    models = [
        f"{script}&rate={dice.randrange(30, 80)}&fault=reset@{dice.randrange(5, 50)}&times={resets}&key={key}"
        for script, key in zip(scripts, keys, strict=True)
    ]
    ids = [await ask(http, api, model, on_interrupt="continue") for model in models]
    viewers = [asyncio.create_task(resuming(api, generation_id, random.Random(SEED))) for generation_id in ids]
    await kill_now_and_then(stack, dice)
    for script, key, generation_id, viewer in zip(scripts, keys, ids, viewers, strict=True):
        events = await viewer
        requests = (await http.get(f"{stack.simulator_url}/journal", params={"key": key})).json()
        assert events[-1][1] == "completed", f"{script}, MIDSTREAM_TEST_SEED={SEED}"
        yield Broken(script, generation_id, events, requests)


async def test_killed_and_reset_at_random_points(stack: Stack, http: httpx2.AsyncClient) -> None:
    """The joined text is the uncut one, and what the log had was not generated again."""
    api = stack.apis[0].url
    scripts = [f"{protocol}/lorem?deltas={DELTAS}&seed={seed}&unicode=1" for protocol in PROTOCOLS for seed in range(4)]
    async for one in broken(stack, http, scripts, resets=2):
        why = f"{one.script}, MIDSTREAM_TEST_SEED={SEED}"
        uncut = text_of(await watch(api, await ask(http, api, f"{one.script}&rate=0")))
        assert joined(one.events) == [("text", uncut)], why
        assert parts(await snapshot(http, api, one.id)) == [("text", True, uncut, None)], why
        assert len(one.attempts) >= 3, why
        # Only one that has said nothing yet begins anew.
        lost = next((at for at, data in enumerate(one.attempts) if data["continues"]), len(one.attempts))
        assert all(data["continues"] for data in one.attempts[lost:]), why
        # A worker may be killed between its claim and its request; the last one was not.
        found, sent = said_before(one.events), {row["prefix"] for row in one.requests}
        assert found[-1] in sent, why
        assert sent - {0} <= set(found), why
        # Of one delta the beginning may have a part; what follows is not more than was left.
        left = [DELTAS - row["prefix"] * DELTAS // len(uncut) for row in one.requests]
        assert all(row["deltas"] <= most + DELTAS // 4 for row, most in zip(one.requests, left, strict=True)), why


async def test_killed_and_reset_while_it_goes_on_in_the_background(stack: Stack, http: httpx2.AsyncClient) -> None:
    """Over Responses the joined answer is the uncut one, and was made once: nothing is said twice or paid twice."""
    api = stack.apis[0].url
    kinds = ("lorem?unicode=1", "reasoning?", "tools?")
    scripts = [f"simulator-responses/{kind}&deltas={DELTAS}&seed={seed}" for kind in kinds for seed in (1, 2)]
    async for one in broken(stack, http, scripts, resets=1):
        why = f"{one.script}, MIDSTREAM_TEST_SEED={SEED}"
        uncut = await ask(http, api, f"{one.script}&rate=0")
        assert joined(one.events) == joined(parse(await watch(api, uncut))), why
        found = await snapshot(http, api, one.id)
        assert parts(found) == parts(await snapshot(http, api, uncut)), why
        made = [row for row in one.requests if row["action"] == "generate"]
        heard = [row["generated"] for row in made if row["response_id"] == found["response"]["response_id"]]
        assert heard == [DELTAS], why
        # Begun anew is only what lost its worker before the log had its id.
        assert len(made) <= sum(not data["continues"] for data in one.attempts), why
        assert any(data["continues"] for data in one.attempts), why
        assert any(row["action"] == "retrieve" for row in one.requests), why


@pytest.mark.parametrize("provider", PROTOCOLS)
async def test_where_the_provider_cannot(stack: Stack, http: httpx2.AsyncClient, provider: str) -> None:
    """A killed worker's answer starts over, and says so, where its text cannot be gone on with."""
    api, key = stack.apis[0].url, uuid.uuid4().hex
    model = f"{provider}/clock?deltas=20&rate=0&fault=stall@5&times=1&key={key}"
    generation_id = await ask(http, api, model, on_interrupt="continue")
    async with connect(api, generation_id) as response:
        while not text_of(bytes(response.body)):
            assert await response.more()
    for worker in stack.workers:
        await worker.kill()
    for worker in stack.workers:
        await worker.start()
    events = parse(await watch(api, generation_id))
    assert events[-1][1] == "completed"
    started = [(data["reason"], data["continues"]) for _, event, data in events if event == "attempt"]
    assert started == [("new", False), ("worker_lost", True), ("provider_error", False)]
    ((_, text),) = joined(events)
    assert text.count(";") == 20
