"""What stands in for Midstream's POST elsewhere: FastAPI checks a body and enqueues a job by arq, as both document it.

BENCH_REDIS_URL=… uvicorn bench.peers.arq_api:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request
from pydantic import BaseModel


class Message(BaseModel):
    """One turn."""

    role: str
    content: str


class Asked(BaseModel):
    """What is asked."""

    model: str
    messages: list[Message]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.queue = await create_pool(RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"]))
    yield
    await app.state.queue.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/ask", status_code=202)
async def ask(asked: Asked, request: Request) -> dict[str, str]:
    job = await request.app.state.queue.enqueue_job("answer", asked.model_dump())
    return {"id": job.job_id}
