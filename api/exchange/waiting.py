"""Waits for a generation's end without a stream, and reads what it has said."""

import asyncio

from fastapi import Request

from api.problems.problem import ProblemError, draining
from api.services import ApiServices
from shared.log.entry import Entry
from shared.log.guarded_log import Log
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside


async def until_ended(request: Request, use: ApiServices, generation_id: str, seconds: float | None = None) -> bool:
    """Waits for the end, this long at most; says whether it has come.

    Raises ProblemError 503 where this node goes away before, 400 where the client has left.
    """
    ended = asyncio.ensure_future(use.hub.ended(generation_id))
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((ended, left), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            if not ended.result():
                raise draining()
            return True
        if left.done():
            raise ProblemError(400, "client_left", "The client has left", "Nobody reads this answer.")
        return False
    finally:
        for task in (ended, left):
            task.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def said_so_far(log: Log, generation_id: str) -> tuple[Snapshot, int]:
    """Returns what a generation has said, and about its bytes. Raises redis.exceptions.RedisError."""
    said, size = Snapshot(), 0
    async for page in log.pages(generation_id):
        size += sum(256 + len(entry.data) for entry in page)
        await aside(size, _apply, said, page)
    return said, size


def _apply(said: Snapshot, page: list[Entry]) -> None:
    for entry in page:
        said.apply(*entry)
