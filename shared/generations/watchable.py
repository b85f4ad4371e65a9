"""What must be known of a generation before it is watched: less of its record than `Generations.find` reads."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from shared.generations.generations import Existence
from shared.log.events import EventId
from shared.log.guarded_log import LOG_PAGE, page_size
from shared.storage.keys import GenerationKeys

_FIELDS = ["state", "owner", "seal", "unwatched", "large", "largest"]


@dataclass(frozen=True, slots=True)
class Watchable:
    """What is under an id, as it stood at one look."""

    existence: Existence
    owner: str | None = None
    seal: EventId | None = None
    """Id of the terminal event; None while the log may grow."""
    page: int = LOG_PAGE
    """How many of its log's entries are read at a time."""
    unwatched_ms: int | None = None
    """After how long without a viewer it is cancelled; None for never."""


async def read_watchable(redis: Redis, generation_id: str) -> Watchable:
    """Reads what is under an id, without comparing the owner. Raises redis.exceptions.RedisError."""
    keys = GenerationKeys(generation_id)
    read: Any = redis  # typed for a client that does not await too
    state, owner, seal, unwatched, large, largest = await read.hmget(keys.record, _FIELDS)
    if state is None:
        # A record becomes a tombstone in one step: who did not find the one finds the other.
        tombstone: bytes | None = await read.get(keys.tombstone)
        if tombstone is None:
            return Watchable(Existence.NOTHING)
        return Watchable(Existence.TOMBSTONE, tombstone.partition(b"\n")[0].decode(errors="replace"))
    whose = (owner or b"").decode(errors="replace")
    try:
        return Watchable(
            Existence.RECORD,
            whose,
            None if seal is None else EventId.parse(seal),
            page_size(int(large or 0), int(largest or 0)),
            None if unwatched is None else int(unwatched),
        )
    except ValueError:
        return Watchable(Existence.UNREADABLE, whose)
