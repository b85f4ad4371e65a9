"""Limits of owners on a whole Midstream: two API nodes and two workers count together, and nobody else is affected."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness.processes import Stack

pytestmark = pytest.mark.timeout(240)

ANN = {"Authorization": "Bearer key-of-ann-0123456789"}
BOB = {"Authorization": "Bearer key-of-bob-0123456789"}
ENVIRONMENT = {
    "MIDSTREAM_API_KEYS": "ann:key-of-ann-0123456789,bob:key-of-bob-0123456789",
    "MIDSTREAM_OWNERS__ANN__MAX_RUNNING": "2",
    "MIDSTREAM_OWNERS__ANN__MAX_QUEUED": "3",
}


async def post(http: httpx2.AsyncClient, api: str, model: str, key: dict[str, str], **fields: Any) -> httpx2.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Go."}]} | fields
    return await http.post(f"{api}/v1/generations", json=body, headers=key)


async def states(http: httpx2.AsyncClient, api: str, key: dict[str, str]) -> list[str]:
    listed = (await http.get(f"{api}/v1/generations", params={"limit": 100}, headers=key)).json()
    return [generation["state"] for generation in listed["data"]]


async def test_what_runs_and_what_waits_is_bounded_for_each_owner(tmp_path: Path) -> None:
    async with (
        Stack(tmp_path, apis=2, workers=2, environment=ENVIRONMENT) as stack,
        httpx2.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        nodes = [api.url for api in stack.apis]
        slow = "simulator/lorem?deltas=9999&rate=50&key=ann"
        accepted = 0
        async with asyncio.timeout(30):
            while accepted < 5:
                burst = await asyncio.gather(*(post(http, nodes[n % 2], slow, ANN) for n in range(10)))
                accepted += sum(answer.status_code == 202 for answer in burst)
                refused = [answer for answer in burst if answer.status_code == 429]
                assert all(answer.json()["code"] == "queue_full" for answer in refused)
                assert all("ratelimit" in answer.headers for answer in burst)
        assert accepted == 5
        async with asyncio.timeout(20):
            while sorted(await states(http, nodes[0], ANN)) != ["queued"] * 3 + ["running"] * 2:
                await asyncio.sleep(0.05)
        assert (await post(http, nodes[1], slow, ANN)).status_code == 429
        # Another owner waits for none of that.
        other = await asyncio.gather(
            *(post(http, nodes[n % 2], "simulator/lorem?deltas=3&rate=0", BOB, stream=False) for n in range(6))
        )
        assert [answer.json()["state"] for answer in other] == ["completed"] * 6
        listed = (await http.get(f"{nodes[0]}/v1/generations", headers=ANN)).json()["data"]
        running = next(generation["id"] for generation in listed if generation["state"] == "running")
        await http.post(f"{nodes[0]}/v1/generations/{running}/cancel", headers=ANN)
        async with asyncio.timeout(20):
            while (await post(http, nodes[0], slow, ANN)).status_code != 202:  # there is a place in line again
                await asyncio.sleep(0.05)
        # The worker reaches the provider after the 202, and learns of the cancel after its answer.
        hows: list[str | None] = []
        async with asyncio.timeout(20):
            while len(hows) < 3 or hows.count(None) > 2:
                rows = (await http.get(f"{stack.simulator_url}/journal", params={"key": "ann"})).json()
                hows = [row["how"] for row in rows]
                await asyncio.sleep(0.05)
        assert sorted(hows, key=str) == [None, None, "client_left"]
