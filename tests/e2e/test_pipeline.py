"""The whole pipeline as real processes: every viewer gets every byte, whichever node it asks."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from shared.storage.keys import LEASES_KEY
from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(150)]

PROTOCOLS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


async def said(http: httpx2.AsyncClient, stack: Stack, model: str) -> str:
    """What the simulator answers under this model name when it is asked directly, and not for a stream."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Go."}]}
    response = await http.post(f"{stack.simulator_url}/v1/chat/completions", json=body)
    text: str = response.raise_for_status().json()["choices"][0]["message"]["content"]
    # A surrogate without its other half has no place in UTF-8, so it becomes U+FFFD.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


async def test_100_generations_on_two_workers_and_two_apis(stack: Stack, http: httpx2.AsyncClient) -> None:
    front, other = (api.url for api in stack.apis)
    models = [f"lorem?deltas=30&rate=15&unicode=1&seed={seed}" for seed in range(100)]
    ids = await asyncio.gather(
        *(ask(http, front, f"{PROTOCOLS[n % len(PROTOCOLS)]}/{model}") for n, model in enumerate(models))
    )
    viewing = asyncio.gather(*(watch(other, generation_id) for generation_id in ids))
    owners: set[bytes] = set()
    async with Redis.from_url(stack.valkey.url, socket_timeout=5) as redis:
        while not viewing.done():
            owners.update((await redis.execute_command("HGETALL", LEASES_KEY)).values())
            await asyncio.wait([viewing], timeout=0.1)
    assert len(owners) == 2, "one worker ran all"
    expected = await asyncio.gather(*(said(http, stack, model.replace("rate=15", "rate=0")) for model in models))
    for body, text in zip(await viewing, expected, strict=True):
        events = parse(body)
        assert text_of(body) == text
        token = events[0][0].partition("-")[0]
        assert [event_id for event_id, _, _ in events] == [f"{token}-{n}" for n in range(len(events))]
        kinds = [event for _, event, _ in events]
        assert kinds[0] == "attempt"
        assert [kind for kind in kinds if kind in ("completed", "failed", "cancelled")] == ["completed"] == kinds[-1:]
        assert events[-1][2]["usage"]["output_tokens"] > 0
    page = (await http.get(f"{other}/v1/generations", params={"limit": 100})).json()
    assert {row["id"] for row in page["data"] if row["state"] == "completed"} >= set(ids)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_megabyte_is_exact_for_every_viewer(stack: Stack, http: httpx2.AsyncClient, protocol: str) -> None:
    front, other = (api.url for api in stack.apis)
    model = "lorem?bytes=1000000&unicode=1&surrogates=1&chunk=16&rate=0&seed=7"
    expected = await said(http, stack, model)
    assert len(expected.encode()) > 990_000
    for rare in ("\U0001f600", "\u2028", "\r\n", "\0", "\ufffd"):
        assert rare in expected

    # Messages has no unlimited answer: without this a limit is sent for us, and is a small one.
    generation_id = await ask(http, front, f"{protocol}/{model}", max_tokens=1_000_000)
    live, resumed = await asyncio.gather(
        watch(front, generation_id), collect([other, front], generation_id, random.Random(7), 300_000)
    )
    after = await watch(other, generation_id)
    assert text_of(after) == expected
    assert blocks(live) == blocks(after)
    assert resumed == blocks(after)
    # A line of the stream ends in nothing but LF, whatever the text holds.
    assert b"\r" not in after
    assert b"\0" not in after
    snapshot = (await http.get(f"{other}/v1/generations/{generation_id}")).json()
    assert snapshot["text"] == expected


async def collect(apis: list[str], generation_id: str, cuts: random.Random, most: int) -> list[bytes]:
    """A viewer that is cut after at most so many bytes, and resumes at a node of its choice until it hears 204."""
    seen: list[bytes] = []
    while True:
        cursor = cursor_of(seen[-1]) if seen else ""
        async with connect(cuts.choice(apis), generation_id, cursor) as response:
            if response.status == 204:
                return seen
            assert response.status == 200
            size = cuts.randint(200, most)
            while len(response.body) < size and await response.more():
                pass
            seen += blocks(bytes(response.body[:size]) if cuts.random() < 0.5 else bytes(response.body))


async def curl(url: str, *options: str) -> asyncio.subprocess.Process:
    """The real curl, unbuffered, its body on stdout."""
    program = shutil.which("curl")
    assert program is not None
    return await asyncio.create_subprocess_exec(
        program, "-sSN", "--noproxy", "*", *options, url, stdout=asyncio.subprocess.PIPE
    )


async def some(process: asyncio.subprocess.Process, size: int) -> bytes:
    """At least so many bytes of what it prints; then it is killed."""
    assert process.stdout is not None
    body = bytearray()
    async with asyncio.timeout(DEADLINE):
        while len(body) < size:
            chunk = await process.stdout.read(4096)
            assert chunk, f"curl ended after {len(body)} bytes"
            body += chunk
    process.kill()
    await process.communicate()
    return bytes(body)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("cut", [1, 300, 2_000, 7_001])
async def test_curl_cut_and_resumed(stack: Stack, http: httpx2.AsyncClient, cut: int) -> None:
    front, other = (api.url for api in stack.apis)
    generation_id = await ask(http, front, "simulator/lorem?deltas=200&rate=100&unicode=1")
    path = f"/v1/generations/{generation_id}/events"
    uncut = await curl(f"{front}{path}")
    # Cut at a byte, which need not be the end of an event: half an event is as if it had not come.
    first = blocks((await some(await curl(f"{front}{path}"), cut))[:cut])
    resume = ["-H", f"Last-Event-ID: {cursor_of(first[-1])}"] if first else []
    second = await curl(f"{other}{path}", *resume)
    running = (await http.get(f"{front}/v1/generations/{generation_id}")).json()["state"]
    assert running == "running", "it ended before it was resumed"
    async with asyncio.timeout(DEADLINE):
        whole, _ = await uncut.communicate()
        rest, _ = await second.communicate()
    assert uncut.returncode == second.returncode == 0
    assert first + blocks(rest) == blocks(whole)
    assert parse(whole)[-1][1] == "completed"
    over = await curl(f"{other}{path}", "-w", "%{http_code}", "-H", f"Last-Event-ID: {cursor_of(blocks(whole)[-1])}")
    assert (await over.communicate())[0] == b"204"


async def test_cancel_at_the_other_api_reaches_the_provider(stack: Stack, http: httpx2.AsyncClient) -> None:
    front, other = (api.url for api in stack.apis)
    generation_id = await ask(http, front, "simulator/clock?deltas=100000&rate=50&key=cancelled")
    async with connect(front, generation_id) as response:
        await response.until(2_000)
        answer = await http.post(f"{other}/v1/generations/{generation_id}/cancel")
        assert answer.json()["state"] == "cancelled"
        body = await response.rest()
    assert parse(body)[-1][1] == "cancelled"
    deadline = asyncio.get_running_loop().time() + DEADLINE
    while True:
        (entry,) = (await http.get(f"{stack.simulator_url}/journal", params={"key": "cancelled"})).json()
        if entry["how"]:
            break
        assert asyncio.get_running_loop().time() < deadline, "the provider still writes"
        await asyncio.sleep(0.02)
    assert entry["how"] == "client_left"
    assert blocks(await watch(other, generation_id)) == blocks(body)
