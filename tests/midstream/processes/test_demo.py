"""The demo of `midstream up`: where it is one, and which worker is killed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from midstream.errors import StartError
from midstream.processes.demo import DemoSocket, is_demo
from midstream.processes.subprocess import Subprocess
from shared.config.settings import load

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
SIMULATED: dict[str, Any] = {"simulator_url": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("settings", "demo"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"api_keys": "ann:0123456789abcdef"}, True),
        ({"host": "0.0.0.0", "api_keys": "ann:0123456789abcdef"}, False),
        ({"providers": {"local": {"protocol": "openai-chat", "base_url": "http://127.0.0.1:9"}}}, False),
        ({"providers": {"simulator": {"protocol": "openai-chat", "base_url": "http://127.0.0.1:9"}}}, False),
    ],
)
def test_where_it_is_one(settings: dict[str, Any], demo: bool) -> None:
    assert is_demo(load(**SIMULATED | settings)) == demo


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"])
def test_a_provider_with_a_key_makes_it_none(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "k")
    assert not is_demo(load(**SIMULATED))


@pytest.fixture
async def workers() -> AsyncIterator[list[Subprocess]]:
    """Two that run."""
    started = [Subprocess(f"worker-{number}", SLEEP, {}) for number in (1, 2)]
    for worker in started:
        await worker.start()
    yield started
    for worker in started:
        worker.kill()
        await worker.wait()


async def killed(path: Path, workers: list[Subprocess], *messages: bytes) -> int:
    """Which of them was killed after these messages."""
    demo = await DemoSocket.open(path, workers)
    ends = [asyncio.create_task(worker.wait()) for worker in workers]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as api:
        for message in messages:
            api.sendto(message, str(path))
    async with asyncio.timeout(20):
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    demo.close()
    [(number, end)] = [(number, end) for number, end in enumerate(ends) if end.done()]
    assert end.result() == -signal.SIGKILL
    for other in ends:
        other.cancel()
    return number


async def test_the_worker_that_is_named_is_killed(tmp_path: Path, workers: list[Subprocess]) -> None:
    assert await killed(tmp_path / "demo", workers, b"KILL=%d" % workers[1].pid) == 1


async def test_a_process_that_is_no_worker_of_ours_is_left_alone(tmp_path: Path, workers: list[Subprocess]) -> None:
    stranger = Subprocess("stranger", SLEEP, {})
    await stranger.start()
    assert await killed(tmp_path / "demo", workers, b"KILL=%d" % stranger.pid) == 0
    stranger.kill()
    assert await stranger.wait() == -signal.SIGKILL


async def test_other_messages_kill_nobody(tmp_path: Path, workers: list[Subprocess]) -> None:
    others = (b"", b"KILL", b"KILL=", b"KILL=x", b"KILL=1\n", b"READY=1")
    assert await killed(tmp_path / "demo", workers, *others, b"KILL=%d" % workers[1].pid) == 1


async def test_a_socket_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="set TMPDIR"):
        await DemoSocket.open(tmp_path / "none" / "demo", [])
