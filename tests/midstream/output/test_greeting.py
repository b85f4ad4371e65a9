"""What is waited for before "ready" is printed, and what is printed then."""

from __future__ import annotations

import asyncio
import sys

import pytest

from midstream.output.greeting import all_ready, curl
from midstream.processes.subprocess import Subprocess
from shared.config.settings import load


async def test_those_that_take_long_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    children = [Subprocess(name, [sys.executable], {}, says_ready=True) for name in ("api", "worker-1", "worker-2")]
    children[0].ready.set()
    waiting = asyncio.create_task(all_ready(children, reminder_s=0.01))
    said = ""
    while "still waiting for worker-1, worker-2 to come to work" not in said:
        said += capsys.readouterr().err
        await asyncio.sleep(0.01)
    children[1].ready.set()
    while "still waiting for worker-2 to come to work" not in said:
        said += capsys.readouterr().err
        await asyncio.sleep(0.01)
    assert not waiting.done()
    children[2].ready.set()
    await asyncio.wait_for(waiting, 5)
    assert "api" not in said


@pytest.mark.parametrize(
    ("variable", "direct"), [("http_proxy", True), ("ALL_PROXY", True), ("https_proxy", False), ("NO_PROXY", False)]
)
def test_the_printed_command_asks_no_proxy(monkeypatch: pytest.MonkeyPatch, variable: str, direct: bool) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert ("--noproxy '*'" in curl(load(), "http://127.0.0.1:8000", "simulator/lorem")) is direct


def test_the_printed_key_is_a_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_API_KEYS", "me:sk-this-must-not-be-shown")
    command = curl(load(), "http://127.0.0.1:8000", "simulator/lorem")
    assert "Authorization: Bearer $KEY" in command
    assert "sk-this" not in command
