"""A Redis reader for each viewer: every open stream has a blocked XREAD and a connection of its own.

BENCH_REDIS_URL=… uvicorn bench.peers.redis_reader:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ["BENCH_REDIS_URL"], decode_responses=True)


@app.get("/events/{id}")
async def events(id: str) -> StreamingResponse:
    """Follow one generation."""

    async def follow() -> AsyncIterator[str]:
        cursor = "0"
        while True:
            found: Any = await redis.xread({f"bench:{id}": cursor}, count=100, block=5000)
            for _, entries in found:
                for cursor, fields in entries:
                    yield f"id: {cursor}\nevent: delta\ndata: {fields['data']}\n\n"

    return StreamingResponse(follow(), media_type="text/event-stream")
