"""The bill: what a generation's attempts used, and what that costs. What a lost or failed attempt used was paid too."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

import msgspec
from msgspec import UNSET, Struct
from redis.exceptions import RedisError

from shared.events import ORIGIN, Cancelled, Completed, Cost, Failed, Response, Spent, Usage, UsageReport, decode
from shared.generations import Existence, Record
from shared.log import Log
from shared.totals import ended
from worker.prices import CURRENCY, Prices
from worker.services import Services
from worker.writer import Writer

logger = logging.getLogger("midstream.worker")

TRIES = 5
"""Times that the log is asked for what earlier attempts used; then the bill is without them."""


class _Begun(Struct):
    """An attempt's first event, as far as it matters here."""

    provider: str
    model: str
    continues: bool = False
    cached: bool = False
    """Replayed from another generation's log: nobody was asked, and nothing is paid."""

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(slots=True)
class _Call:
    """What one attempt asked of a provider."""

    begun: _Begun
    at_ms: int
    response: Response | None = None
    usage: Usage | None = None

    def goes_on(self, earlier: _Call) -> bool:
        """Whether this is the same call, which was left and found again: its counts include those before."""
        mine, others = (call.response.response_id if call.response else UNSET for call in (self, earlier))
        return self.begun.continues and mine is not UNSET and mine == others


class Bill:
    """Made where a generation ends; `close` writes it into the terminal event."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._calls: list[_Call] = []

    async def read(self, log: Log, generation_id: str, before: int | None = None) -> None:
        """Take what the log's attempts used, those with a token of `before` or above left out.

        Raises redis.exceptions.RedisError, and ValueError for a log that is not as we write it.
        """
        calls: list[_Call] = []
        cursor = ORIGIN
        while page := await log.read(generation_id, cursor):
            for (token, _), type, data in page:
                if before is not None and token >= before:
                    break
                if type == "attempt":
                    calls.append(_Call(msgspec.json.decode(data, type=_Begun), token))
                elif type in ("response", "usage") and calls:
                    event = decode(type, data)
                    if isinstance(event, Response):
                        calls[-1].response = event
                    elif isinstance(event, UsageReport):
                        calls[-1].usage = event.usage
            cursor = page[-1].id
            if before is not None and cursor.token >= before:
                break
        self._calls = calls

    async def close(self, end: Completed | Failed | Cancelled, writer: Writer, log: Log) -> None:
        """Give the terminal event of this attempt its cost, unless it has one, and what else was paid.

        Raises nothing: an end is written whatever becomes of its bill.
        """
        try:
            await self._close(end, writer, log)
        except Exception as error:
            logger.error("%s: ended without a bill (%s)", writer.generation_id, type(error).__name__)

    async def _close(self, end: Completed | Failed | Cancelled, writer: Writer, log: Log) -> None:
        if writer.after != ORIGIN:
            await self._read_patiently(log, writer)
        implied: list[Spent] = []
        begun = msgspec.json.decode(writer.first, type=_Begun) if writer.first else None
        if begun is not None:
            self._calls.append(_Call(begun, writer.token, writer.response, end.usage))
        spent = list(self.spent())
        if end.cost is None and (end.usage is not None or not isinstance(end, Completed)):
            end.cost = _total(spent)
        if begun is not None and end.usage is not None:
            implied.append(Spent(begun.name, end.usage, end.cost))
        end.spent = spent if spent != implied else UNSET  # a replay's end has what its source spent

    async def _read_patiently(self, log: Log, writer: Writer) -> None:
        # The end has to wait for a Redis that is away in any case.
        for failures in range(TRIES):
            try:
                return await self.read(log, writer.generation_id, writer.token)
            except ValueError:
                return None
            except RedisError:
                if writer.outcome is not None:
                    return None
            await asyncio.sleep(0.1 * 2.0**failures * random.uniform(0.5, 1.0))
        return None

    def spent(self) -> Iterator[Spent]:
        """What was paid, in order: each call that was counted, with its price."""
        for call, following in zip_longest(self._calls, self._calls[1:]):
            if call.usage is None or call.begun.cached:
                continue
            if following is not None and following.usage is not None and following.goes_on(call):
                continue
            begun = call.begun
            named = call.response.model if call.response is not None and call.response.model is not UNSET else None
            cost = self._prices.cost(begun.provider, (named, begun.model), call.usage, call.at_ms)
            yield Spent(begun.name, call.usage, cost)


async def count_deleted(record: Record, writer: Writer, services: Services) -> None:
    """Count what was used until it was deleted, unless an end was counted; one that another has ended is its."""
    end = Cancelled(usage=writer.usage)
    with suppress(RedisError):
        if (await services.generations.find(record.id)).existence is not Existence.TOMBSTONE:
            return
        await Bill(services.prices).close(end, writer, services.log)
        end.t = writer.elapsed_ms
        await services.generations.queue.settle([], [ended(record, writer.first, writer.token, end, deleted=True)])


def _total(spent: list[Spent]) -> Cost | None:
    costs = [line.cost for line in spent if line.cost is not None]
    if not costs or len(costs) < len(spent):
        return None
    return Cost(f"{sum((Decimal(cost.amount) for cost in costs), Decimal(0)).normalize():f}", CURRENCY)
