"""For load balancers and supervisors: alive, and ready."""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from api.problems.problem import documented, draining, not_ready, too_few_workers
from api.schemas.generation import Readiness, Status
from api.services import ApiServices, Use
from shared.storage.keys import PROBE_KEY
from shared.storage.outage import CROWDED_REMEDY, outage_of

router = APIRouter(tags=["health"])

WRITE_TIMEOUT_S = 2.0
"""Seconds in which each Redis must take a write for this node to be ready."""
NO_WORKER_DETAIL = "No worker is alive: what is accepted waits until one is started (midstream worker)."


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model=Status, responses=documented(503))
async def live(use: Use) -> Status:
    """The process answers, and is not about to end: what routes viewers asks for this."""
    if use.hub.leaving:
        raise draining()
    return Status()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=documented(503))
async def ready(
    use: Use,
    workers: Annotated[int, Query(ge=0, le=10_000, description="With fewer workers alive, the answer is 503.")] = 0,
) -> Readiness:
    """The Redis of the logs and that of the queue take writes from this node.

    For alarms, as viewers are served all the same. Without any worker it is ready: it serves what has ended, and
    accepts what will be run.
    """
    servers = _servers(use)
    errors = dict(zip(servers, await asyncio.gather(*map(_write, servers.values())), strict=True))
    if failed := {name: error for name, error in errors.items() if error is not None}:
        raise not_ready(failed)
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            alive = await use.workers.alive()
            crowded = [name for name, redis in servers.items() if await _is_crowded(use, name, redis)]
    except (RedisError, TimeoutError) as error:
        raise not_ready({list(servers)[-1]: error}) from None
    if alive < workers:
        raise too_few_workers(alive)
    warnings = [] if alive else [NO_WORKER_DETAIL]
    warnings += [f"{name} has as many connections as it takes{CROWDED_REMEDY}." for name in crowded]
    return Readiness(status="ok" if alive else "no_worker", workers=alive, warning=" ".join(warnings) or None)


def _servers(use: ApiServices) -> dict[str, Redis]:
    """Returns each Redis by the variable that names it."""
    logs, queue = use.log.redis, use.generations.queue.redis
    return {"MIDSTREAM_REDIS_URL": logs} | ({} if queue is logs else {"MIDSTREAM_QUEUE_URL": queue})


async def _write(redis: Redis) -> Exception | None:
    """Returns why a Redis does not take a write now; None where it does."""
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await redis.set(PROBE_KEY, "1", px=1000)
    except (RedisError, TimeoutError) as error:
        return error
    return None


async def _is_crowded(use: ApiServices, name: str, redis: Redis) -> bool:
    """Says whether a Redis takes no further connection: it has refused one of this node, or its INFO shows it."""
    settings = use.settings
    url = settings.redis_url if name == "MIDSTREAM_REDIS_URL" else str(settings.queue_url)
    if outage_of(url).is_crowded:
        return True
    with suppress(ResponseError):  # where INFO is not permitted
        clients = await redis.info("clients")
        return int(clients.get("connected_clients", 0)) >= int(clients.get("maxclients", sys.maxsize))
    return False
