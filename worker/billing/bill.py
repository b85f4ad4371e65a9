"""The bill: what a generation's attempts used, and what that costs. What a lost or failed attempt used was paid too."""

import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from decimal import Decimal

from msgspec import UNSET, Struct, json
from msgspec.structs import replace
from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.generations.generations import Existence, Generations
from shared.log.attempt_model import bare_name, full_name
from shared.log.events import (
    ORIGIN,
    AnyEvent,
    Cancelled,
    Completed,
    Cost,
    Delta,
    Failed,
    Response,
    Spent,
    Usage,
    UsageReport,
    decode,
    total_usage,
)
from shared.log.guarded_log import Log
from shared.record import Record
from shared.usage import Ended, ended
from worker.billing.prices import CURRENCY, Prices
from worker.requests import token_estimate
from worker.writing.writer import Writer

logger = logging.getLogger("midstream.worker")

GENERATED_KINDS = frozenset({"text", "reasoning", "refusal", "tool_call"})
"""Kinds of parts whose deltas are the model's output, character by character."""
UNCHARGED_CODES = frozenset({
    "authentication", "permission", "not_found", "bad_request", "context_length", "rate_limit", "overloaded",
    "connection", "unknown_provider", "worker_exhausted", "previous_gone", "previous_too_long",
})  # fmt: skip
"""Codes of failures that a provider charges nothing for, where it had not begun to answer."""
_TOLD = frozenset({"response", "usage", "delta"})
MAX_READS = 5
"""Times that the log is asked for what earlier attempts used; after that the bill leaves them out."""


class _Begun(Struct):
    """An attempt's first event, as far as it matters here."""

    provider: str
    model: str
    number: int = 0
    continues: bool = False
    cached: bool = False
    """Replayed from another generation's log: nobody was asked, and nothing is paid."""

    @property
    def name(self) -> str:
        """`provider/model`, as it was asked for."""
        return full_name(self.provider, self.model)


@dataclass(slots=True)
class _Call:
    """What one attempt asked of a provider."""

    begun: _Begun
    at_ms: int
    response: Response | None = None
    usage: Usage | None = None
    said_chars: int = 0
    before_chars: int = 0
    """Characters of what it continues, which were asked along with the request."""
    completed: bool = False
    refused: bool = False
    numbered: bool = False
    """Its events have the provider's numbers, by which it can be found again."""

    def goes_on(self, earlier: "_Call") -> bool:
        """Says whether this is the same call, which was left and found again: its counts include those before.

        An id alone does not say so: some servers give the same one to all their answers.
        """
        mine, others = (call.response.response_id if call.response else UNSET for call in (self, earlier))
        found = earlier.numbered or not earlier.said_chars
        return self.begun.continues and mine is not UNSET and mine == others and found

    def take(self, event: AnyEvent) -> None:
        """Notes what one of the attempt's events says of the call."""
        self.numbered = self.numbered or event.sequence_number is not UNSET
        if isinstance(event, Response):
            self.response = event
        elif isinstance(event, UsageReport) and event.usage.is_possible:
            self.usage = event.usage
        elif isinstance(event, Delta) and event.kind in GENERATED_KINDS:
            self.said_chars += len(event.delta)


class Bill:
    """What a generation's attempts used and cost; it is made where the generation ends.

    `close` writes it into the terminal event. `characters` returns how many characters of text the request has, where
    nobody counted tokens. `refused` are the fencing tokens of attempts that are known to have cost nothing.
    """

    def __init__(self, prices: Prices, characters: Callable[[], Awaitable[int]], refused: Collection[int] = ()) -> None:
        self._prices = prices
        self._characters = characters
        self._refused = refused
        self._calls: list[_Call] = []

    async def read(self, log: Log, generation_id: str, before: int | None = None) -> None:
        """Reads from the log what its attempts used, but for those with a token of `before` or above.

        Raises redis.exceptions.RedisError, and ValueError for a log that is not as we write it.
        """
        calls: list[_Call] = []
        async for page in log.pages(generation_id):
            for (token, _), type, data in page:
                if before is not None and token >= before:
                    break
                if type == "attempt":
                    begun = json.decode(data, type=_Begun)
                    calls.append(
                        _Call(begun, token, before_chars=_standing(calls, begun), refused=token in self._refused)
                    )
                elif type in _TOLD and calls:
                    calls[-1].take(decode(type, data))
            if before is not None and page[-1].id.token >= before:
                break
        self._calls = calls

    async def close(
        self, end: Completed | Failed | Cancelled, writer: Writer, log: Log, *, itemised: bool = False
    ) -> None:
        """Sets `usage` and `cost` of all attempts in the terminal event of this one, whose own usage it has so far.

        Sets `spent` too where not only this attempt was paid for.

        `itemised`: sets `spent` in any case. Raises nothing: an end is written whatever becomes of its bill.
        """
        try:
            await self._close(end, writer, log, itemised)
        except Exception as error:
            logger.error("%s: ended without a bill (%s)", writer.generation_id, type(error).__name__)

    async def _close(self, end: Completed | Failed | Cancelled, writer: Writer, log: Log, itemised: bool) -> None:
        if writer.after != ORIGIN:
            await self._read_patiently(log, writer)
        implied: list[Spent] = []
        begun = json.decode(writer.first, type=_Begun) if writer.first else None
        if begun is not None:
            self._calls.append(self._own(begun, end, writer))
        spent = await self.spent()
        if spent or end.cost is None:
            end.cost = _total(spent)
        if begun is not None and end.usage is not None:
            implied.append(Spent(begun.name, end.usage, end.cost, attempt=begun.number))
        end.usage = total_usage(spent) or end.usage
        end.spent = spent if spent != implied or itemised else UNSET  # a replay's end has what its source spent

    def _own(self, begun: _Begun, end: Completed | Failed | Cancelled, writer: Writer) -> _Call:
        call = _Call(begun, writer.token, before_chars=_standing(self._calls, begun))
        if end.usage is None:
            for type, data in writer.events():
                if type in _TOLD:
                    call.take(decode(type, data))
        call.response, call.usage, call.completed = writer.response, end.usage, isinstance(end, Completed)
        call.refused = isinstance(end, Failed) and is_refused(end, writer)
        return call

    async def _read_patiently(self, log: Log, writer: Writer) -> None:
        # The end has to wait for a Redis that is away in any case.
        backoff = Backoff(first=0.1)
        for _ in range(MAX_READS):
            try:
                return await self.read(log, writer.generation_id, writer.token)
            except ValueError:
                return None
            except RedisError:
                if writer.outcome is not None:
                    return None
            await backoff.wait()
        return None

    async def spent(self) -> list[Spent]:
        """Returns what was paid, in order: each call with the usage that is known, else with an estimate.

        Raises what `characters` raises.
        """
        spent: list[Spent] = []
        request_chars: int | None = None
        for call in self._joined():
            if call.begun.cached or (call.refused and call.usage is None and not call.said_chars):
                continue
            begun = call.begun
            named = call.response.model if call.response is not None and call.response.model is not UNSET else None
            if call.usage is None and request_chars is None:
                request_chars = await self._characters()
            used = call.usage or token_estimate.usage((request_chars or 0) + call.before_chars, call.said_chars)
            asked = bare_name(begun.provider, begun.model)
            cost = self._prices.cost(begun.provider, (named, asked), used, call.at_ms)
            estimated = call.usage is None
            if cost is not None and not estimated and not call.completed:
                cost = replace(cost, at_least=True)  # it may have had more to count
            spent.append(Spent(begun.name, used, cost, estimated=estimated or UNSET, attempt=begun.number))
        return spent

    def _joined(self) -> list[_Call]:
        """Returns the calls; one that goes on with an earlier call is joined with it."""
        joined: list[_Call] = []
        for call in self._calls:
            if joined and call.goes_on(joined[-1]):
                earlier = joined.pop()
                whole = call.usage is not None
                call = copy(call)
                call.usage, call.completed = call.usage or earlier.usage, call.completed and whole
                call.said_chars, call.before_chars = call.said_chars + earlier.said_chars, earlier.before_chars
            joined.append(call)
        return joined


def is_refused(failed: Failed, writer: Writer) -> bool:
    """Says whether an attempt with this failure was never answered: nobody charges for that."""
    return not writer.said_something and writer.response is None and failed.code in UNCHARGED_CODES


def _standing(calls: list[_Call], begun: _Begun) -> int:
    return calls[-1].before_chars + calls[-1].said_chars if begun.continues and calls else 0


async def count_deleted(record: Record, bill: Bill, writer: Writer, generations: Generations, log: Log) -> Ended | None:
    """Counts what was used until the deletion, unless an end was counted; what another has ended, that other counts.

    Returns what it counted.
    """
    end = Cancelled(usage=writer.usage)
    with suppress(RedisError):
        if (await generations.find(record.id)).existence is not Existence.TOMBSTONE:
            return None
        await bill.close(end, writer, log)
        end.t = writer.elapsed_ms
        deleted = ended(record, writer.first, writer.token, end, deleted=True)
        counted = await generations.queue.indexes.settle([], [deleted])
        return counted[0] if counted else None
    return None


def _total(spent: list[Spent]) -> Cost | None:
    known = [line.cost for line in spent if line.cost is not None and line.estimated is not True]
    if not known:
        return None
    amount = f"{sum((Decimal(cost.amount) for cost in known), Decimal(0)).normalize():f}"
    missing = len(known) < len(spent) or any(cost.at_least is True for cost in known)
    return Cost(amount, CURRENCY, at_least=True) if missing else Cost(amount, CURRENCY)
