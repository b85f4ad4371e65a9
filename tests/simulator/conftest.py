"""A simulator in a process of its own, and the official SDKs pointed at it."""

import asyncio
import json
import select
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai.types import HttpOptions

from tests.simulator.protocols import Ask, over_chat, over_gemini, over_messages, over_responses

Started = tuple[subprocess.Popen[bytes], str]
Entries = Callable[[str], Awaitable[list[dict[str, Any]]]]


@contextmanager
def started(*arguments: str) -> Iterator[Started]:
    """`python -m simulator` with these arguments: the process and the address that it prints."""
    command = [sys.executable, "-m", "simulator", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process, _address(process)
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 20)
    line = process.stdout.readline().decode() if ready else ""
    assert line.startswith("simulator listening on "), line
    return line.removeprefix("simulator listening on ").strip()


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """Base URL of the simulator that the session shares."""
    with started("--port", "0") as (_, address):
        yield address


@pytest.fixture
async def chat(simulator: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{simulator}/v1", api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
async def messages(simulator: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=simulator, api_key="any", max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
async def gemini(simulator: str) -> AsyncIterator[genai.Client]:
    async with httpx2.AsyncClient(timeout=20) as http:
        # The SDK sends no timeout of its own then, and no retries are asked for.
        options = HttpOptions(base_url=simulator, timeout=20_000, httpx_async_client=http)
        client = genai.Client(vertexai=False, api_key="any", http_options=options)
        yield client
        client.close()


@pytest.fixture
def protocols(chat: openai.AsyncOpenAI, messages: anthropic.AsyncAnthropic, gemini: genai.Client) -> dict[str, Ask]:
    """By protocol: ask in it through its SDK."""
    return {
        "chat": lambda asked: over_chat(chat, asked),
        "responses": lambda asked: over_responses(chat, asked),
        "messages": lambda asked: over_messages(messages, asked),
        "gemini": lambda asked: over_gemini(gemini, asked),
    }


@pytest.fixture
async def http(simulator: str) -> AsyncIterator[httpx2.AsyncClient]:
    """For what the SDKs hide; Messages needs a version."""
    headers = {"anthropic-version": "2026-10-21"}
    async with httpx2.AsyncClient(base_url=simulator, timeout=20, headers=headers) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A `key=` of this test's own: names its requests in the journal of the shared process."""
    return uuid.uuid4().hex


@pytest.fixture
def ended(http: httpx2.AsyncClient) -> Entries:
    """The journal's entries of a key, once there are some and all have ended."""

    async def wait(key: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            entries: list[dict[str, Any]] = json.loads((await http.get("/journal", params={"key": key})).content)
            if entries and all(entry["how"] for entry in entries):
                return entries
            await asyncio.sleep(0.01)
        raise AssertionError(f"not ended after 10 s: {entries}")

    return wait


@pytest.fixture
def launch() -> Callable[..., Any]:
    """Starts a simulator of the test's own: `with launch("--port", "0") as (process, address)`."""
    return started
