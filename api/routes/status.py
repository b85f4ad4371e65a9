"""How the server stands, for whoever is on call: what `midstream top` shows."""

from fastapi import APIRouter

from api.access.callers import Admin
from api.problems.problem import documented
from api.schemas.no_store import no_store
from api.services import Use
from shared.queue.standing import read_status
from shared.queue.status import Status

router = APIRouter(prefix="/v1/status", tags=["health"], dependencies=[no_store])


@router.head("", include_in_schema=False)
@router.get("", response_model=Status, responses=documented(401, 403, 503))
async def status(_: Admin, use: Use) -> Status:
    """The queue, its workers, the owners of whom something waits, the providers, and each Redis, as they are now.

    For a key with the scope `admin`; without keys, for everybody.
    """
    return await read_status(use.settings, use.log.redis, use.generations.queue.redis)
