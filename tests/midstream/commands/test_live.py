"""The client commands against the real API, worker, simulator and Valkey, which die under them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from midstream.processes.valkey import Valkey
from tests.midstream.conftest import RunPython

DEADLINE = 30


class Live:
    """A running Midstream whose API can be killed and brought back at the same address."""

    def __init__(self, run_python: RunPython, redis_url: str) -> None:
        self.run_python = run_python
        self.environment = {
            "MIDSTREAM_REDIS_URL": redis_url,
            # Workers hold off for one lease after Redis has started.
            "MIDSTREAM_LEASE": "0.5",
            "MIDSTREAM_RETRIES": "0",
            "MIDSTREAM_DEFAULT_MODEL": "simulator/lorem?deltas=5",
        }
        self.port = "0"

    async def start(self) -> None:
        simulator = self.run_python("-m", "midstream", "simulator", "--port", "0")
        assert simulator.stdout is not None
        announced = await asyncio.to_thread(simulator.stdout.readline)
        self.environment["MIDSTREAM_SIMULATOR_URL"] = announced.split()[-1]
        self.run_python("-m", "midstream", "worker", **self.environment)
        await self.start_api()

    async def start_api(self) -> None:
        self.api = self.run_python("-m", "midstream", "api", "--port", self.port, **self.environment)
        assert self.api.stderr is not None
        async with asyncio.timeout(DEADLINE):
            while not (found := re.search(r"listening on \S+ port (\d+)", await self._line())):
                pass
        self.port = found[1]

    async def _line(self) -> str:
        assert self.api.stderr is not None
        line = await asyncio.to_thread(self.api.stderr.readline)
        assert line, "the API ended"
        return line

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return self.run_python("-m", "midstream", *arguments, MIDSTREAM_URL=f"http://127.0.0.1:{self.port}")

    async def result(self, *arguments: str) -> tuple[int, str]:
        process = self.command(*arguments)
        out, _ = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
        return process.returncode, out


@pytest.fixture
async def live(run_python: RunPython, tmp_path: Path) -> AsyncIterator[Live]:
    """Everything, on a data folder of the test's own."""
    async with Valkey(tmp_path / "data") as valkey:
        running = Live(run_python, valkey.url)
        await running.start()
        yield running


@pytest.mark.promise(1)
async def test_chat_through_a_killed_api_is_exact(live: Live) -> None:
    process = live.command("chat", "Hi", "-m", "simulator/clock?deltas=200&rate=100", "--json")
    assert process.stdout is not None
    lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(20)]
    live.api.kill()
    live.api.wait()
    await live.start_api()
    rest, _ = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
    assert process.returncode == 0
    generation_id = json.loads(lines[0])["data"]["id"]
    logged = [line for line in [*lines, *rest.splitlines(keepends=True)] if json.loads(line)["id"]]
    code, uncut = await live.result("tail", generation_id, "--json")
    assert code == 0
    assert "".join(logged) == uncut
    assert json.loads((await live.result("list", "--json"))[1])["id"] == generation_id
    text = "".join(event["data"]["delta"] for event in map(json.loads, logged) if event["event"] == "delta")
    assert (await live.result("tail", generation_id)) == (0, text + "\n")
    assert text in (await live.result("show", generation_id))[1]
    assert json.loads((await live.result("show", generation_id, "--json"))[1])["text"] == text


@pytest.mark.promise(5)
async def test_leaving_is_not_stopping_and_cancel_is(live: Live) -> None:
    process = live.command("chat", "Hi", "-m", "simulator/clock?deltas=2000&rate=50")
    assert process.stdout is not None
    # Unbuffered: what is read here is all that was taken from the pipe.
    seen = (await asyncio.to_thread(os.read, process.stdout.fileno(), 10_000)).decode()
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
    assert process.returncode == 130
    rejoin = shlex.split(err.splitlines()[-1])
    assert rejoin[:4] == [sys.executable, "-m", "midstream", "tail"]
    rejoined = live.command(*rejoin[3:])
    assert rejoined.stdout is not None
    rest = (await asyncio.to_thread(os.read, rejoined.stdout.fileno(), 10_000)).decode()
    generation_id = rejoin[4]
    assert await live.result("cancel", generation_id) == (0, "cancelled\n")
    more, _ = await asyncio.to_thread(rejoined.communicate, timeout=DEADLINE)
    assert rejoined.returncode == 1
    assert await live.result("tail", generation_id) == (1, seen + out + rest + more)
    assert "cancelled" in (await live.result("show", generation_id))[1]


async def test_outcomes(live: Live) -> None:
    assert (await live.result("tail", "gen_" + "a" * 32))[0] == 3
    assert (await live.result("chat", "Hi", "-m", "nowhere/model"))[0] == 2
    assert (await live.result("chat", "Hi", "-m", "simulator/lorem?fault=500@0&retry_after=0"))[0] == 1
    # The default model comes from the API.
    assert (await live.result("chat", "Hi"))[0] == 0
