"""What the clients are let loose on: Midstream with the simulator behind it, or the simulator itself."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.harness.processes import Process, Stack
from tests.judges.sdks.clients import Dialect

KEY: Final = "key-one"
OTHER_KEY: Final = "key-two"
WRONG_KEY: Final = "key-of-nobody"
PATHS: Final[dict[Dialect, str]] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Target:
    """Where the clients ask, and where the simulator says what it was asked."""

    url: str
    simulator: str
    http: httpx2.AsyncClient
    is_midstream: bool
    """The simulator itself keeps no answers: what needs one kept is not asked of it."""

    async def journal(self, key: str) -> list[dict[str, Any]]:
        """What the provider was asked under this key of a model's name."""
        found = await self.http.get(f"{self.simulator}/journal", params={"key": key})
        rows: list[dict[str, Any]] = found.json()
        return rows

    async def get(self, path: str, key: str) -> tuple[int, Any]:
        """Status and document."""
        answer = await self.http.get(self.url + path, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def simulator(folder: Path, *, key: str | None = None) -> AsyncIterator[str]:
    """Its root; with a key it refuses others."""
    words = [sys.executable, "-m", "simulator", "--port", "0", *(["--require-key", key] if key else [])]
    process = Process("simulator", words, r"listening on (\S+)", folder, {})
    await process.start()
    try:
        yield (await process.said(r"listening on (\S+)"))[1]
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Target]:
    """The simulator itself: what a client does there is what it does at its provider."""
    async with simulator(folder, key=KEY) as url, httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        yield Target(url, url, http, is_midstream=False)


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Target]:
    """Midstream with two API processes and two keys, and one provider for each dialect, as a team would have it."""
    async with simulator(folder) as provider:
        providers = {
            "openai": {"protocol": "openai-chat", "base_url": f"{provider}/v1"},
            "openai-responses": {"protocol": "openai-responses", "base_url": f"{provider}/v1"},
            "anthropic": {"protocol": "anthropic", "base_url": provider},
        }
        environment = {
            "MIDSTREAM_API_KEYS": f"one:{KEY},two:{OTHER_KEY}",
            "MIDSTREAM_PROVIDERS": json.dumps(providers),
            # What fails does so at once: these tests are of how a failure is told.
            "MIDSTREAM_RETRIES": "0",
            "MIDSTREAM_MAX_ATTEMPTS": "1",
        }
        stack = Stack(folder / "midstream", api_processes=2, simulator=False, environment=environment)
        async with stack, httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
            yield Target(stack.apis[0].url, provider, http, is_midstream=True)
