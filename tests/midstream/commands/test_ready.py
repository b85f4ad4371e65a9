"""When `midstream up` says "ready", and what it says where that never comes: real processes, some of them held up."""

from __future__ import annotations

import asyncio
import json
import re
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from midstream.processes.valkey import Valkey
from tests.harness.repository import ROOT
from tests.midstream.conftest import RunPython

TIMEOUT = 45

# What the interpreter runs at its start (documentation of `site`), in all children of `up` that have it on their path.
HELD = """
import os, sys, time
if "worker" in sys.orig_argv:
    while not os.path.exists({gate!r}):
        time.sleep(0.02)
"""
DYING = """
import os, sys
if "worker" in sys.orig_argv:
    os.write(2, b"no worker today\\n")
    os._exit(1)
"""

pytestmark = pytest.mark.timeout(240)


class Up:
    """A `midstream up` in a folder of the test's, and what its processes say."""

    def __init__(self, run_python: RunPython, folder: Path, *, at_start: str = "", **environment: str) -> None:
        (folder / "sitecustomize.py").write_text(at_start)
        path = f"{folder}:{ROOT}"
        self.process = run_python("-m", "midstream", "up", "--port=0", PYTHONPATH=path, **environment)

    async def says(self, pattern: str) -> re.Match[str]:
        """The next line on stderr that has the pattern."""
        assert self.process.stderr is not None
        async with asyncio.timeout(TIMEOUT):
            while line := await asyncio.to_thread(self.process.stderr.readline):
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"it ended without {pattern!r}")

    @property
    def silent(self) -> bool:
        """Whether nothing has been printed on stdout."""
        assert self.process.stdout is not None
        return not select.select([self.process.stdout], [], [], 0)[0]

    async def banner(self) -> str:
        """All that is printed on stdout when it is ready."""
        assert self.process.stdout is not None
        lines: list[str] = []
        async with asyncio.timeout(TIMEOUT):
            while "curl" not in "".join(lines):
                lines.append(await asyncio.to_thread(self.process.stdout.readline))
                assert lines[-1], "it ended before it was ready"
        return "".join(lines)

    async def answer(self, banner: str, model: str) -> str:
        """The events of an answer of this model."""
        found = re.search(r"ready at (\S+)", banner)
        assert found
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        async with httpx2.AsyncClient(base_url=found[1], timeout=TIMEOUT, trust_env=False) as client:
            return (await client.post("/v1/generations", json=body, headers={"Accept": "text/event-stream"})).text

    async def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(self.process.communicate, timeout=TIMEOUT)


def asked(banner: str) -> str:
    """The model that the printed curl asks."""
    found = re.search(r"-d '(.*)'$", banner, re.MULTILINE)
    assert found, banner
    return str(json.loads(found[1])["model"])


async def test_it_is_not_ready_before_the_worker_is(run_python: RunPython, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    up = Up(run_python, tmp_path, at_start=HELD.format(gate=str(gate)))
    port = (await up.says(r"api \| .*listening on \S+ port (\d+)"))[1]
    await up.says("api .*startup complete")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(20):
            assert (await client.get("/readyz")).status_code == 200
            await asyncio.sleep(0.05)
    assert up.silent
    gate.touch()
    await up.says(r"worker \| .*takes up to")
    assert "\nevent: completed\n" in await up.answer(await up.banner(), "simulator/lorem?rate=0&deltas=2")
    await up.end()


async def test_a_worker_that_cannot_start_is_said(run_python: RunPython, tmp_path: Path) -> None:
    process = Up(run_python, tmp_path, at_start=DYING).process
    out, err = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
    assert (process.returncode, out) == (2, "")
    assert err.splitlines()[-1] == "midstream: worker ended 5 times before it was ready; its last lines say why"
    assert err.count("worker | no worker today") == 5


async def test_the_simulator_is_there_beside_a_real_provider(run_python: RunPython, tmp_path: Path) -> None:
    up = Up(run_python, tmp_path, OPENAI_API_KEY="x")
    banner = await up.banner()
    assert asked(banner) == "openai/gpt-5-mini"
    assert "simulator answers" not in banner
    assert "\nevent: completed\n" in await up.answer(banner, "simulator/lorem?rate=0&deltas=2")
    await up.end()


async def test_the_configuration_may_name_the_simulators_models(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "midstream.toml").write_text('default_model = "fast"\n[models]\nfast = "simulator/echo"\n')
    up = Up(run_python, tmp_path)
    banner = await up.banner()
    assert asked(banner) == "simulator/echo"
    assert "\nevent: completed\n" in await up.answer(banner, "fast")
    await up.end()


@pytest.mark.parametrize("command", [["up", "--port=0"], ["api", "--port=0"], ["worker"], ["doctor"]])
@pytest.mark.parametrize(("model", "what"), [("nowhere/x", "no provider"), ("openai/", "no model")])
def test_a_default_model_that_is_not_there_is_one_clear_line(
    run_python: RunPython, command: list[str], model: str, what: str
) -> None:
    process = run_python("-m", "midstream", *command, MIDSTREAM_DEFAULT_MODEL=model, OPENAI_API_KEY="x")
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("midstream: MIDSTREAM_DEFAULT_MODEL: ")
    assert what in err


@contextmanager
def notified(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(TIMEOUT)
        yield receiver


@pytest.mark.parametrize(
    ("command", "processes"), [(["worker"], 1), (["worker", "--processes=2"], 2), (["api", "--port=0"], 1)]
)
async def test_a_service_manager_is_told_once(
    run_python: RunPython, tmp_path: Path, command: list[str], processes: int
) -> None:
    async with Valkey(tmp_path / "data") as valkey:
        with notified(tmp_path / "notify") as receiver:
            environment = {"MIDSTREAM_REDIS_URL": valkey.url, "NOTIFY_SOCKET": str(tmp_path / "notify")}
            process: subprocess.Popen[str] = run_python("-m", "midstream", *command, **environment)
            assert await asyncio.to_thread(receiver.recv, 100) == b"READY=1"
            process.terminate()
            _, err = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
            assert process.returncode == 0
            assert len(re.findall("takes up to|startup complete", err)) == processes
            receiver.setblocking(False)
            with pytest.raises(BlockingIOError):
                receiver.recv(100)
