"""CPU time of one delta on its way from the provider's socket to our events, beside the SDKs' typed streams.

    python bench/providers.py [--deltas 4000] [--rate 2000]

Prints a table: µs of CPU for each delta, in this process alone (the simulator is another), less what the same
request costs with one delta; and what such a request costs. `burst` is as fast as the reader reads, so that one read
brings many deltas; `paced` is one delta a read, which is what a provider's stream looks like.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import uvloop
from anthropic import AsyncAnthropic
from google.genai import Client
from google.genai.types import HttpOptions
from openai import AsyncOpenAI
from rich.console import Console
from rich.table import Table

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from worker.providers.registry import Registry

PROMPT = "Why is the sky blue?"

Read = Callable[[str], Awaitable[int]]


@contextmanager
def simulator() -> Iterator[str]:
    """Runs one; gives its root URL."""
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@asynccontextmanager
async def readers(url: str) -> AsyncIterator[dict[str, tuple[Read, Read]]]:
    """For each protocol, our reader and the SDK's; each takes a model and gives the events it saw."""
    chat = AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
    messages = AsyncAnthropic(api_key="k", base_url=url, max_retries=0)
    # On aiohttp, which it uses where that is installed, its typed stream costs about the same.
    http = httpx2.AsyncClient()
    gemini = Client(vertexai=False, api_key="k", http_options=HttpOptions(base_url=url, httpx_async_client=http))
    registry = Registry(
        {
            "openai-chat": ProviderSettings(protocol="openai-chat", base_url=f"{url}/v1"),
            "openai-responses": ProviderSettings(protocol="openai-responses", base_url=f"{url}/v1"),
            "anthropic": ProviderSettings(protocol="anthropic", base_url=url),
            "gemini": ProviderSettings(protocol="gemini", base_url=url),
        }
    )
    try:
        yield {
            "openai-chat": (ours(registry, "openai-chat"), typed_chat(chat)),
            "openai-responses": (ours(registry, "openai-responses"), typed_responses(chat)),
            "anthropic": (ours(registry, "anthropic"), typed_messages(messages)),
            "gemini": (ours(registry, "gemini"), typed_gemini(gemini)),
        }
    finally:
        await registry.aclose()
        await chat.close()
        await messages.close()
        await http.aclose()
        gemini.close()


def ours(registry: Registry, name: str) -> Read:
    provider = registry.get(name)
    question = {"model": "x/y", "messages": [{"role": "user", "content": PROMPT}]}
    request = GenerationRequest.model_validate(question)

    async def read(model: str) -> int:
        return sum([len(events) async for events in provider.stream(request, model)])

    return read


def typed_chat(client: AsyncOpenAI) -> Read:
    async def read(model: str) -> int:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}], "stream": True}
        return sum([1 async for _ in await client.chat.completions.create(model=model, **asked)])

    return read


def typed_responses(client: AsyncOpenAI) -> Read:
    async def read(model: str) -> int:
        stream = await client.responses.create(model=model, input=PROMPT, stream=True, store=False)
        return sum([1 async for _ in stream])

    return read


def typed_messages(client: AsyncAnthropic) -> Read:
    async def read(model: str) -> int:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1_000_000}
        return sum([1 async for _ in await client.messages.create(model=model, stream=True, **asked)])

    return read


def typed_gemini(client: Client) -> Read:
    async def read(model: str) -> int:
        asked = client.aio.models.generate_content_stream(model=quote(model, safe=""), contents=PROMPT)
        return sum([1 async for _ in await asked])

    return read


async def cpu(read: Read, model: str, deltas: int, times: int) -> float:
    """Seconds of CPU for one reading, the least of a few."""
    least = float("inf")
    for _ in range(times):
        start = time.process_time()
        seen = await read(model)
        least = min(least, time.process_time() - start)
        assert seen >= deltas, f"{seen} events of {deltas} deltas"
    return least


async def measure(url: str, deltas: int, rate: int) -> Table:
    table = Table("protocol", "reader", "burst µs/delta", "paced µs/delta", "request ms")
    for column in table.columns[2:]:
        column.justify = "right"
    async with readers(url) as protocols:
        for protocol, pair in protocols.items():
            for name, read in zip(("ours", "SDK, typed"), pair, strict=True):
                one = await cpu(read, "lorem?rate=0&deltas=1", 1, 20)
                burst = await cpu(read, f"lorem?rate=0&deltas={deltas}", deltas, 3)
                paced = await cpu(read, f"lorem?rate={rate}&deltas={deltas}", deltas, 1)
                each = [f"{(total - one) / deltas * 1e6:.1f}" for total in (burst, paced)]
                table.add_row(protocol, name, *each, f"{one * 1e3:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=int, default=4000)
    parser.add_argument("--rate", type=int, default=2000, help="deltas per second of the paced stream")
    options = parser.parse_args()
    with simulator() as url:
        # The loop that the worker runs on.
        Console().print(uvloop.run(measure(url, options.deltas, options.rate)))


if __name__ == "__main__":
    main()
