"""`midstream api --processes`: several on one port, kept running, and ended together."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from midstream.processes.valkey import Valkey
from shared.log.guarded_log import Log
from shared.storage.connections import connect
from tests.api.harness import BODY, Producer, Viewing
from tests.midstream.conftest import RunPython, ended


class Output:
    """What a process says on stderr, as it says it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.text = ""
        assert process.stderr is not None
        self._lines = process.stderr
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._lines:
            self.text += line

    def named(self, pattern: str) -> list[str]:
        """Names of the processes that said this."""
        return [str(name) for name in re.findall(rf"^ *(api-\d) \| .*{pattern}", self.text, re.MULTILINE)]


async def until(condition: Callable[[], object], output: Output) -> None:
    try:
        async with asyncio.timeout(40):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(output.text) from None


def children(pid: int) -> list[int]:
    """Process ids of all that it started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(240)
async def test_several_share_a_port_and_end_together(run_python: RunPython, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as valkey:
        environment = {"MIDSTREAM_REDIS_URL": valkey.url, "MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:9"}
        environment["MIDSTREAM_ACCESS_LOG"] = "all"  # it says which process has a stream
        process = run_python("-m", "midstream", "api", "--port=0", "--processes=2", **environment)
        output = Output(process)
        await until(lambda: len(output.named("startup complete")) == 2, output)
        (port,) = set(re.findall(r"listening on \S+ port (\d+)", output.text))
        other = run_python("-m", "midstream", "api", f"--port={port}", "--processes=2", **environment)
        _, refusal = await asyncio.to_thread(other.communicate, timeout=30)
        assert (other.returncode, refusal.count("\n")) == (2, 1)
        assert f"port {port}" in refusal

        base = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:
            generation_id = (await client.post("/v1/generations", json=BODY)).json()["id"]
            redis = connect(valkey.url, timeout=5)
            producer = await Producer.start(Log(redis), generation_id)
            path = f"/v1/generations/{generation_id}/events"
            responses = [
                await client.send(client.build_request("GET", path), stream=True)
                for _ in range(30)  # of which, once in 2 ** 29 runs, all would be one process's
            ]
            viewings = [Viewing(response) for response in responses]
            for viewing in viewings:
                assert (await viewing.next()).event == "attempt"
            await until(lambda: len(output.named("GET /v1/generations/.* 200")) == 30, output)
            assert set(output.named("GET /v1/generations/.* 200")) == {"api-1", "api-2"}
            await producer.say("x")
            for viewing in viewings:
                assert [message.event for message in await viewing.take(2)] == ["part", "delta"]

            pids = children(process.pid)
            process.send_signal(signal.SIGTERM)
            for viewing in viewings:
                assert [message.event for message in await viewing.rest()] == ["drain"]
            await redis.aclose()
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert all(ended(pid) for pid in pids)
