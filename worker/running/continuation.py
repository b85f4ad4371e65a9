"""What a generation's earlier attempts have said, and what of theirs may still go on at their provider."""

import asyncio
import logging

from pydantic import ValidationError
from redis.exceptions import RedisError

from shared.errors import PreviousError
from shared.log.events import EventId
from shared.log.guarded_log import Log
from shared.log.snapshots import Snapshot
from shared.record import Record
from worker.requests.kept_request import KeptRequest
from worker.running.services import WorkerServices

logger = logging.getLogger("midstream.worker")

CANCEL_TIMEOUT_S = 5.0
"""Seconds that a provider may take to end an answer that goes on by itself."""


class Continuation:
    """Looks, for a generation that asked to `continue`, where its next attempt goes on.

    Where none does, it ends what earlier attempts have left running at their providers, as nobody will read on.
    """

    def __init__(self, services: WorkerServices, record: Record, kept: KeptRequest) -> None:
        self._services = services
        self._record = record
        self._kept = kept
        self._said: Snapshot | None = None
        """What they had said when the log was last read; None once nothing is left running."""
        self._endings: list[asyncio.Task[None]] = []

    async def read_log(self) -> Snapshot | None:
        """Reads what earlier attempts have said, which `let_go` may end. Raises redis.exceptions.RedisError."""
        if self._record.on_interrupt != "continue":
            return None
        said = await read(self._services.log, self._record.id)
        self._said = said if said is not None and said.attempts else None
        return self._said

    async def to_continue(self, provider: str, model: str, *, fresh: bool = False) -> Snapshot | None:
        """Reads what earlier attempts have said; returns it if the next one, of this model, is to go on from there.

        It is not where it starts `fresh`. Raises redis.exceptions.RedisError.
        """
        said = await self.read_log()
        if fresh or said is None or self._kept.head is None:
            return None
        newest = said.attempts[-1]
        if newest.cached or newest.model != f"{provider}/{model}":
            return None  # that provider was asked by another, or is another
        try:
            request = await self._kept.request()
            return said if self._services.providers.get(provider).continues(request, model, said) else None
        except KeyError:
            return None  # the attempt will say so

    def let_go(self) -> None:
        """Ends what earlier attempts may have left running at their provider, as nobody will read on."""
        if self._said is not None and not self._said.attempts[-1].cached:
            self.end(self._said.attempts[-1].provider, self._said.response_id)
            self._said = None

    def end(self, provider: str, response_id: object) -> None:
        """Ends an answer that goes on at this provider, if it may go on there; `ended` waits for that."""
        if self._record.on_interrupt == "continue" and isinstance(response_id, str):
            self._endings.append(asyncio.create_task(self._end(provider, response_id)))

    async def _end(self, provider: str, response_id: str) -> None:
        try:
            request = self._kept.head or await self._kept.request()
            async with asyncio.timeout(CANCEL_TIMEOUT_S):
                await self._services.providers.get(provider).cancel(request, response_id)
        except (ValidationError, PreviousError, KeyError, TimeoutError, RedisError) as error:
            logger.info("%s: left running at %s (%s)", self._record.id, provider, type(error).__name__)

    async def ended(self) -> None:
        """Waits until the providers were asked to end their answers."""
        if self._endings:
            await asyncio.wait(self._endings)


async def read(log: Log, generation_id: str) -> Snapshot | None:
    """Returns all that the log has; None where a part is missing or cannot be read: what is joined must be whole."""
    so_far = Snapshot()
    async for page in log.pages(generation_id):
        for entry in page:
            if entry.id not in (EventId(so_far.last.token, so_far.last.seq + 1), EventId(entry.id.token, 0)):
                return None
            try:
                so_far.apply(*entry)
            except ValueError:
                return None
    return so_far
