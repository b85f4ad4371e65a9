"""Fan-out as sse-starlette's documentation suggests it: a queue for each viewer, filled from one Redis subscription.

BENCH_REDIS_URL=… uvicorn bench.peers.sse_starlette_fan:app
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis
from sse_starlette.sse import EventSourceResponse

queues: dict[str, set[asyncio.Queue[str]]] = {}


async def distribute(redis: Redis) -> None:
    """Put what is published into the queues of those who watch it."""
    async with redis.pubsub() as subscription:
        await subscription.psubscribe("bench:*")
        async for message in subscription.listen():
            if message["type"] == "pmessage":
                for queue in queues.get(message["channel"][6:], ()):
                    queue.put_nowait(message["data"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    redis = Redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True)
    task = asyncio.create_task(distribute(redis))
    yield
    task.cancel()
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/events/{id}")
async def events(id: str) -> EventSourceResponse:
    """Follow one generation."""

    async def follow() -> AsyncIterator[dict[str, str]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.setdefault(id, set()).add(queue)
        try:
            while True:
                yield {"event": "delta", "data": await queue.get()}
        finally:
            queues[id].discard(queue)

    return EventSourceResponse(follow())
