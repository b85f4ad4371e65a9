"""A worker as one would write it first: it iterates the SDK and appends each delta with an XADD of its own.

BENCH_SIMULATOR_URL=… BENCH_REDIS_URL=… python -m bench.peers.plain_worker
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import uvloop
from openai import AsyncOpenAI
from redis.asyncio import Redis


async def answer(client: AsyncOpenAI, redis: Redis, id: str, model: str) -> None:
    """Stream one answer into its log."""
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async for chunk in await client.chat.completions.create(model=model, **asked):
        if chunk.choices and (text := chunk.choices[0].delta.content):
            await redis.xadd(f"bench:{id}", {"data": json.dumps({"delta": text})})
    await redis.xadd(f"bench:{id}", {"done": "1"})


async def main() -> None:
    url = f"{os.environ['BENCH_SIMULATOR_URL']}/v1"
    client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0, timeout=900.0)
    redis = Redis.from_url(os.environ["BENCH_REDIS_URL"])
    print("ready", flush=True)
    running: set[asyncio.Task[None]] = set()
    while True:
        _, job = await redis.blpop(["bench:jobs"])
        asked = json.loads(job)
        task = asyncio.create_task(answer(client, redis, asked["id"], asked["model"]))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    uvloop.run(main())
