"""For load balancers and supervisors: alive, and ready."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from redis.exceptions import RedisError

from api.answers import Status
from api.problems import documented, unavailable
from api.services import Use

router = APIRouter(tags=["health"])

PATIENCE = 2.0
"""Seconds in which Redis must answer for this node to be ready."""


@router.get("/livez", response_model=Status)
async def live() -> Status:
    """The process answers."""
    return Status()


@router.get("/readyz", response_model=Status, responses=documented(503))
async def ready(use: Use) -> Status:
    """The process answers and reaches the Redis of the logs and that of the queue."""
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(use.log.redis.ping(), use.generations.queue.redis.ping())
    except (RedisError, TimeoutError):
        raise unavailable() from None
    return Status()
