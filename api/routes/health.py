"""For load balancers and supervisors: alive, and ready."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from redis.exceptions import RedisError

from api.answers import Readiness, Status
from api.problems import documented, too_few_workers, unavailable
from api.services import Use

router = APIRouter(tags=["health"])

PATIENCE = 2.0
"""Seconds in which Redis must answer for this node to be ready."""
NO_WORKER = "No worker is alive: what is accepted waits until one is started (midstream worker)."


@router.get("/livez", response_model=Status)
async def live() -> Status:
    """The process answers."""
    return Status()


@router.get("/readyz", responses=documented(503))
async def ready(
    use: Use,
    workers: Annotated[int, Query(ge=0, le=10_000, description="With fewer workers alive, the answer is 503.")] = 0,
) -> Readiness:
    """The process answers and reaches the Redis of the logs and that of the queue.

    Without any worker it is ready all the same: it serves what has ended, and accepts what will be run.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            alive, _, _ = await asyncio.gather(
                use.workers.alive(), use.log.redis.ping(), use.generations.queue.redis.ping()
            )
    except (RedisError, TimeoutError):
        raise unavailable() from None
    if alive < workers:
        raise too_few_workers(alive)
    return Readiness(status="ok" if alive else "no_worker", workers=alive, warning=None if alive else NO_WORKER)
