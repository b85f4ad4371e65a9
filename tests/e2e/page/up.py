"""`midstream up` as its user starts it, and what tests break and ask there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from midstream.processes.polling import until
from midstream.processes.valkey import Valkey
from tests.harness.ports import free_port
from tests.harness.processes import Process


class Up(Process):
    """One `midstream up` in a folder of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._data = folder / "data"
        words = [sys.executable, "-m", "midstream", "up", "--port", str(port), "--data-dir", str(self._data)]
        super().__init__("up", words, "Midstream is ready at", folder, {"MIDSTREAM_LEASE": "3"} | dict(environment))

    async def get(self, path: str, key: str = "") -> Any:
        """The JSON document at a path."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=40) as http:
            answer = await http.get(path, headers=headers)
            return answer.raise_for_status().json()

    async def turns(self, address: str) -> list[dict[str, Any]]:
        """The generations of the conversation that an address `/c/…` names, oldest first."""
        found: list[dict[str, Any]] = (await self.get(f"/v1/conversations/{address.rpartition('/')[2]}"))["generations"]
        return found

    async def ask(self, model: str, content: str = "Go.", **more: Any) -> str:
        """Start a generation beside the page; its id."""
        body = {"model": model, "messages": [{"role": "user", "content": content}]} | more
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, timeout=40) as http:
            answer = await http.post("/v1/generations", json=body)
            return str(answer.raise_for_status().json()["id"])

    async def kill_child(self, word: str) -> None:
        """SIGKILL to each process below it with this word among its arguments; returns when others are there."""
        killed = self._children(word)
        assert killed, f"no {word} runs"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert await until(lambda: bool(set(self._children(word)) - set(killed)), 40)

    @asynccontextmanager
    async def paused(self, word: str) -> AsyncIterator[None]:
        """Inside, each process below it with this word among its arguments is silent: its connections stand."""
        paused = self._children(word)
        assert paused, f"no {word} runs"
        for pid in paused:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in paused:
                os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Inside, its Redis refuses what needs memory."""
        async with Redis.from_url(Valkey(self._data).url) as redis:
            await redis.config_set("maxmemory", "1")
            try:
                yield
            finally:
                await redis.config_set("maxmemory", "0")

    def _children(self, word: str) -> list[int]:
        found = [self.popen.pid]
        for parent in found:
            for place in Path(f"/proc/{parent}/task").glob("*/children"):
                with suppress(OSError):
                    found += [int(pid) for pid in place.read_text().split()]
        return [pid for pid in found[1:] if word in _arguments(pid)]


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []
