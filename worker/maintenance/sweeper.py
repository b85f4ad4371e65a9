"""The sweeper: what was accepted, but is neither queued, leased nor sealed, is enqueued again."""

import asyncio
import logging
import random
from dataclasses import replace

from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.counted import counted
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.queue.indexes import IndexPlace
from shared.queue.queue import Queue
from shared.storage.clock import ServerClock, read_server
from shared.storage.outage import level
from shared.usage import Ended, read_ended
from worker.billing.bill import Bill
from worker.billing.prices import Prices
from worker.maintenance.conversation_keeper import ConversationKeeper
from worker.maintenance.recovery import Recovery
from worker.requests import token_estimate
from worker.writing.observer import Observer

logger = logging.getLogger("midstream.worker")

PENDING_PAGE = 200
INDEX_ENTRIES_PER_PASS = 500
"""Entries of owners' indexes that one pass looks at, to drop what has expired."""
HALF_ACCEPTED_MS = 60_000
"""ms, while Redis is there, after which an index entry without a record is what a crash left of an unanswered POST."""


class Sweeper:
    """Sweeps, in one of all workers at a time. `run` is its one task."""

    def __init__(
        self,
        queue: Queue,
        generations: Generations,
        settings: Settings,
        prices: Prices,
        observer: Observer | None = None,
        keeper: ConversationKeeper | None = None,
    ) -> None:
        self.queue = queue
        self._keeper = keeper or ConversationKeeper(generations)
        self._observer = observer or Observer()
        self.generations = generations
        self.log = Log(generations.redis)
        self.prices = prices
        self.interval = settings.lease
        self.renew_ms = settings.running_ttl * 1000 / 2
        self._durability = queue.durability
        self._tidied: tuple[str, IndexPlace | None] = "", None
        self._recovery = Recovery(generations) if settings.queue_apart else None

    async def run(self) -> None:
        """Sweeps once a lease, until cancelled."""
        while True:
            await asyncio.sleep(self.interval * random.uniform(0.8, 1.2))
            try:
                # Whoever sweeps has seen both clocks all the time, and knows when one was set, or its Redis restarted.
                await self.queue.server()
                await read_server(self.generations.redis)
                if await self.queue.alone("sweep", self.interval * 0.7):
                    await self.sweep()
            except RedisError as error:
                logger.log(level(error), "not swept (%s)", type(error).__name__)

    async def sweep(self) -> int:
        """Makes one pass over the pending index; returns how many generations it enqueued."""
        server = await self.queue.server()
        log_server = await read_server(self.generations.redis)
        if any(one.young(self._durability.retaken_ms) for one in (server, log_server)):
            return 0  # workers are taking their leases back: what looks unqueued may be running
        now_ms = server.now_ms
        lease_ms = int(self.interval * 1000)
        # Younger entries may be in the middle of being accepted, or have just been sealed; those of a time that is
        # further off than two leases were announced before the clock was set back.
        enqueued = await self._pass(now_ms, log_server, before_ms=now_ms - lease_ms)
        enqueued += await self._pass(now_ms, log_server, since_ms=now_ms + 2 * lease_ms)
        await self._tidy()
        if self._recovery is not None:
            enqueued += await self._recovery.go_on(f"{log_server.run_id} {server.run_id}")
        self._observer.swept(enqueued)
        if enqueued:
            logger.info("enqueued %s that nobody had", counted(enqueued, "generation", "generations"))
        return enqueued

    async def _pass(self, now_ms: int, log_server: ServerClock, **announced: int) -> int:
        enqueued = behind = 0
        # By score, as an offset costs Redis as many steps: only those of one ms are counted.
        while page := await self.queue.indexes.pending(count=PENDING_PAGE, offset=behind, **announced):
            unqueued = [generation_id for generation_id, _, queued, _ in page if not queued]
            ends = dict(zip(unqueued, await self.generations.ends(unqueued), strict=True)) if unqueued else {}
            last_ms = page[-1].since_ms
            behind = behind if last_ms == announced.get("since_ms") else 0
            announced["since_ms"] = last_ms
            over, sealed = [], []
            for generation_id, since_ms, queued, in_line in page:
                end = ends.get(generation_id)
                if queued or end in (None, "cancel"):
                    behind += since_ms == last_ms
                    if now_ms - since_ms > self.renew_ms:
                        await self.generations.renew(generation_id)
                    if not (queued and in_line):
                        enqueued += await self._enqueue(generation_id)
                elif end in ("gone", "sealed") or (
                    end == "lost"
                    and abs(now_ms - since_ms) > HALF_ACCEPTED_MS
                    and not log_server.young(HALF_ACCEPTED_MS)
                ):
                    over.append(generation_id)
                    if end == "sealed":
                        sealed.append(generation_id)
                else:
                    behind += since_ms == last_ms
            ended = [known for i in sealed if (known := await self._ended(i)) is not None]
            self._keeper.take(ended)
            self._observer.counted(await self.queue.indexes.settle(over, ended))
        return enqueued

    async def _enqueue(self, generation_id: str) -> bool:
        """Enqueues what nobody has, or puts what an earlier version has enqueued into its owner's line."""
        (record,) = await self.generations.records([generation_id])
        owner = "" if record is None else record.owner
        if record is not None:
            await self.generations.note_again([record])
        # Redis may have come back older since this pass began: its worker writes it again.
        return await self.queue.enqueue(generation_id, self._durability.restored_ms, owner=owner)

    async def _tidy(self) -> None:
        """Drops what has expired from the next stretch of an owner's index; after its end comes the next owner."""
        owner, place = self._tidied
        if place is None:
            owners = await self.queue.indexes.owners()
            owner = next((name for name in owners if name > owner), owners[0] if owners else "")
        if owner:
            self._tidied = owner, await self.generations.tidy(owner, place, INDEX_ENTRIES_PER_PASS)

    async def _characters(self, generation_id: str) -> int:
        return await token_estimate.characters(await self.generations.request(generation_id))

    async def _ended(self, generation_id: str) -> Ended | None:
        """Returns what to count of a sealed generation that a dead worker left, or the API ended.

        Returns None where nothing is known of its end.
        """
        record = (await self.generations.find(generation_id)).record
        if record is None:
            return None
        try:
            end = await read_ended(self.log, record)
            alone = record.seal is not None and record.seal.seq == 0
            if end is not None and alone and not end.spent and record.attempts:
                # The API does not know what the attempts used before its end, unless a worker has left the bill.
                bill = Bill(self.prices, lambda: self._characters(generation_id))
                await bill.read(self.log, generation_id)
                end = replace(end, spent=await bill.spent())
        except ValueError:
            logger.warning("%s: not counted, as its log cannot be read", generation_id)
            return None
        return end
