"""Waits for a generation's end without a stream, and reads what it has said."""

import asyncio

from fastapi import Request

from api.access.caller import grant_of
from api.access.callers import unauthorized
from api.problems.problem import ProblemError, draining
from api.services import ApiServices
from shared.log.entry import Entry
from shared.log.guarded_log import Log
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Record


async def until_ended(
    request: Request,
    use: ApiServices,
    generation_id: str,
    seconds: float | None = None,
    *,
    unwatched_ms: int | None = None,
) -> bool:
    """Waits for the end, this long at most; says whether it has come. Meanwhile it counts as a viewer.

    Raises ProblemError 503 where this node goes away before, 400 where the client has left, 401 where what let it in
    has ended meanwhile.
    """
    grant, revoked = grant_of(request.scope), _Revoked()
    ended = asyncio.ensure_future(use.hub.ended(generation_id))
    left = asyncio.ensure_future(_left(request))
    use.hub.granted.add(grant, revoked)
    try:
        with use.hub.audience.watching(generation_id, unwatched_ms):
            await asyncio.wait((ended, left, revoked.future), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            if not ended.result():
                raise draining()
            return True
        if revoked.future.done():
            raise unauthorized(invalid=True)
        if left.done():
            raise ProblemError(400, "client_left", "The client has left", "Nobody reads this answer.")
        return False
    finally:
        use.hub.granted.discard(grant, revoked)
        for task in (ended, left, revoked.future):
            task.cancel()


class _Revoked:
    """Who waits, as what is open by its grant."""

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def revoke(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


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


async def as_it_stands(use: ApiServices, generation_id: str, owner: str) -> tuple[Record, Snapshot, int]:
    """Returns a generation's record, what it has said, and about the bytes of that.

    Raises ProblemError 404, 410 or 503, and redis.exceptions.RedisError.
    """
    record = await use.record(generation_id, owner)
    said, size = await said_so_far(use.log, generation_id)
    if said.end is not None and record.ended_ms is None:
        # It ended while we were reading.
        record = await use.record(generation_id, owner)
    return record, said, size


def _apply(said: Snapshot, page: list[Entry]) -> None:
    for entry in page:
        said.apply(*entry)
