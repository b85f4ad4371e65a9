"""The server as a process: its end, its socket, its log lines."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from shared.log.guarded_log import Log
from shared.storage.connections import connect
from tests.api.harness import BODY, Producer, Viewing
from tests.harness.repository import ROOT

SERVE = "from api.app import run; from shared.config.settings import load; run(load())"


@pytest.fixture
def process(redis_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`api.app.run` with uvloop, as in production."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MIDSTREAM_REDIS_URL": redis_url,
        "MIDSTREAM_PORT": "0",
        "MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:9",
        "MIDSTREAM_ACCESS_LOG": "all",
    }
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening on \S+ port (\d+)", line):
            return int(found[1])
    raise AssertionError("it ended before it listened")


async def test_sigterm_drains_and_ends_in_order(process: subprocess.Popen[str], redis_url: str) -> None:
    port = await asyncio.to_thread(port_of, process)
    redis = connect(redis_url, timeout=2)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        generation_id = (await client.post("/v1/generations", json=BODY)).json()["id"]
        producer = await Producer.start(Log(redis), generation_id)
        path = f"/v1/generations/{generation_id}/events?last_event_id=&private=1"
        async with client.stream("GET", path) as response:
            viewing = Viewing(response)
            assert (await viewing.next()).event == "attempt"
            await producer.say("x")
            await viewing.take(2)
            process.send_signal(signal.SIGTERM)
            assert [message.event for message in await viewing.rest()] == ["drain"]
    _, log = await asyncio.to_thread(process.communicate, timeout=15)
    assert process.returncode == 0
    assert f"GET /v1/generations/{generation_id}/events HTTP" in log
    assert "private" not in log
    assert "Traceback" not in log
    await redis.aclose()


async def test_sighup_ends_in_order_too(process: subprocess.Popen[str]) -> None:
    port = await asyncio.to_thread(port_of, process)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert (await client.get("/livez")).status_code == 200
    process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(process.communicate, timeout=15)
    assert process.returncode == 0


async def test_sigterm_ends_although_a_viewer_does_not_read(process: subprocess.Popen[str], redis_url: str) -> None:
    port = await asyncio.to_thread(port_of, process)
    redis = connect(redis_url, timeout=2)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        generation_id = (await client.post("/v1/generations", json=BODY)).json()["id"]
    producer = await Producer.start(Log(redis), generation_id)
    for _ in range(5):
        await producer.say("x" * 1_000_000)
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(f"GET /v1/generations/{generation_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert await asyncio.to_thread(stuck.recv, 10)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.communicate, timeout=8)
    assert process.returncode == 0
    await redis.aclose()
