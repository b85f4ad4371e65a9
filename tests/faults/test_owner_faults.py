"""Owners beside each other, while an API is killed and a viewer is stopped."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx2
import pytest

from tests.e2e.viewers import DEADLINE, ask, parse
from tests.harness.processes import Stack

KEYS = {"ann": "k-ann-0123456789", "ben": "k-ben-0123456789"}


def bearer(owner: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[owner]}"}


@pytest.mark.promise(6)
async def test_owners_see_their_own_through_a_killed_api_and_a_stopped_viewer(tmp_path: Path) -> None:
    environment = {"MIDSTREAM_API_KEYS": ",".join(f"{owner}:{key}" for owner, key in KEYS.items())}
    async with (
        Stack(tmp_path, environment=environment) as stack,
        httpx2.AsyncClient(timeout=DEADLINE, headers=bearer("ann")) as ann,
        httpx2.AsyncClient(timeout=DEADLINE, headers=bearer("ben")) as ben,
    ):
        (api,) = stack.apis
        hers = await ask(ann, api.url, "simulator/lorem?deltas=4000&rate=200")
        url = f"{api.url}/v1/generations/{hers}/events"
        command = ("curl", "-sN", "-H", f"Authorization: Bearer {KEYS['ann']}", url)
        viewer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert viewer.stdout is not None
        await viewer.stdout.readline()
        viewer.send_signal(signal.SIGSTOP)  # it takes nothing more
        his = await ask(ben, api.url, "simulator/lorem?deltas=40&rate=100")
        events = (await ben.get(f"{api.url}/v1/generations/{his}/events")).content
        assert parse(events)[-1][1] == "completed"
        viewer.kill()
        await viewer.communicate()
        await api.kill()
        await api.start()
        for client, own, others in ((ann, hers, his), (ben, his, hers)):
            listed = (await client.get(f"{api.url}/v1/generations")).json()["data"]
            assert [row["id"] for row in listed] == [own]
            assert (await client.get(f"{api.url}/v1/generations/{own}")).status_code == 200
            for path in ("", "/events"):
                assert (await client.get(f"{api.url}/v1/generations/{others}{path}")).status_code == 404
            assert (await client.post(f"{api.url}/v1/generations/{others}/cancel")).status_code == 404
