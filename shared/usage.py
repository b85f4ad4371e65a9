"""Totals: what an owner's generations used, by day and model, each counted once when it leaves the pending index.

A day is that of the end, in UTC by Redis' clock. Costs are kept in 10⁻¹² of their currency, the finest that an amount
has, so that Redis adds them as integers and nothing is rounded; 64 bits of that are 9.2 million US dollars a day.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from msgspec import UNSET, Struct, json
from redis.asyncio import Redis

from shared.log.attempt_model import full_name
from shared.log.events import TERMINAL_TYPES, Cancelled, Completed, Event, EventId, Failed, Spent, decode
from shared.log.guarded_log import Log
from shared.record import Terms
from shared.storage.keys import OWNERS_KEY, USAGE_OWNERS_KEY, usage_key

EndState = Literal["completed", "failed", "cancelled", "deleted"]
By = Literal["day", "model"]

MAX_MODELS_PER_DAY = 200
"""Most models that are counted by name for one owner and day; all further ones count under OTHER_MODEL."""
OTHER_MODEL = "other"
MAX_MODEL_NAME_CHARS = 200
COST_DIGITS = 12
"""Digits behind the point with which costs are kept."""
MAX_DAYS = 400
"""Days that one question may span."""
DAYS_PER_ROUND_TRIP = 31
MAX_OWNERS_DAYS = 100_000
"""Days of owners, each of them counted for each, that one question may look at."""
REMEMBERED_MS = 3_600_000
"""ms for which a counted generation is remembered at least; else for as long as its log is kept."""

TOKEN_COUNTERS = (
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
    "audio_input_tokens", "audio_output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
)  # fmt: skip
TIME_COUNTERS = ("first_token_ms", "first_tokens", "streaming_ms", "streamed_tokens")
"""Sums of completed generations that were no copies, and how many of them have a first token."""
_STATES: dict[type[Event], EndState] = {Completed: "completed", Failed: "failed", Cancelled: "cancelled"}
_COST, _ESTIMATE = "cost:", "estimate:"


class _Begun(Struct):
    provider: str
    model: str
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A generation's end, with what is counted of it."""

    id: str
    owner: str
    state: EndState
    ended_ms: int
    keep_ms: int
    """ms for which it could be counted again: as long as its log is kept."""
    model: str
    """`provider/model` of its last attempt."""
    cached: bool = False
    spent: Sequence[Spent] = ()
    first_token_ms: int | None = None
    """ms from its acceptance to its first delta; None where it has none, or an older worker has ended it."""
    streaming_ms: int = 0
    streamed_tokens: int = 0
    """Output tokens of these ms; both are 0 where one is not known."""
    conversation: str | None = None
    """The conversation that it belongs to."""

    @property
    def key(self) -> str:
        """The key of the counters of its owner and day."""
        return usage_key(self.owner, datetime.fromtimestamp(self.ended_ms / 1000, UTC).date())

    def counts(self) -> dict[str, Counter[str]]:
        """Returns by model what to add to each counter."""
        mine: Counter[str] = Counter()
        mine[self.state] = 1
        by_model = {_name(self.model): mine}
        if self.state == "completed" and self.cached:
            mine["cached"] = 1
        elif self.state == "completed" and not self.spent:
            mine["unpriced"] = 1
        if self.state == "completed" and not self.cached:
            mine.update(self._times())
        for line in self.spent:
            _add(line, by_model.setdefault(_name(line.model), Counter()))
        return by_model

    def _times(self) -> dict[str, int]:
        """Returns what the means of time to first token and of tokens per second are made of, as sums."""
        times: dict[str, int] = {}
        if self.first_token_ms is not None:
            times |= {"first_token_ms": self.first_token_ms, "first_tokens": 1}
        if self.streaming_ms and self.streamed_tokens:
            times |= {"streaming_ms": self.streaming_ms, "streamed_tokens": self.streamed_tokens}
        return times


def _add(line: Spent, counter: Counter[str]) -> None:
    estimated = line.estimated is True
    if not estimated:
        # What a provider does not count is unset.
        counts = {name: getattr(line.usage, name) for name in TOKEN_COUNTERS}
        counter.update({name: count for name, count in counts.items() if count is not UNSET})
    if estimated or line.cost is None:
        counter["unpriced"] += 1
    elif line.cost.at_least is True:
        counter["partly"] += 1
    if line.cost is not None:
        name = (_ESTIMATE if estimated else _COST) + line.cost.currency
        counter[name] += int(Decimal(line.cost.amount).scaleb(COST_DIGITS).to_integral_value())


def ended(
    terms: Terms, attempt: bytes, token: int, end: Completed | Failed | Cancelled, *, deleted: bool = False
) -> Ended:
    """Returns what to count of a generation that ended so; with `deleted` it did not, as nothing is left of it.

    `attempt` is the first event of the attempt with this token, empty where it had none.
    """
    begun = json.decode(attempt, type=_Begun) if attempt else None
    model = full_name(begun.provider, begun.model) if begun else terms.model
    paid = [Spent(model, end.usage, end.cost)] if end.usage is not None else []
    return Ended(
        id=terms.id,
        owner=terms.owner,
        state="deleted" if deleted else _STATES[type(end)],
        ended_ms=token + end.t,
        keep_ms=max(terms.ttl_ms, REMEMBERED_MS),
        model=model,
        cached=begun is not None and begun.cached,
        spent=paid if end.spent is UNSET else end.spent,
        first_token_ms=None if end.time_to_first_token_ms is UNSET else end.time_to_first_token_ms,
        streaming_ms=end.streaming_ms or 0,
        streamed_tokens=end.streamed_tokens or 0,
        conversation=terms.conversation,
    )


async def read_ended(log: Log, terms: Terms) -> Ended | None:
    """Returns what to count of a generation by what its log says; None where that has no end.

    Raises redis.exceptions.RedisError, and ValueError for a log that is not as we write it.
    """
    last = await log.last(terms.id)
    if last is None or last.type not in TERMINAL_TYPES:
        return None
    attempt = b""
    if last.id.seq > 0:
        first = await log.read(terms.id, EventId(last.id.token, 0).before, count=1)
        attempt = first[0].data if first and first[0].type == "attempt" else b""
    end = decode(last.type, last.data)
    assert isinstance(end, Completed | Failed | Cancelled)
    return ended(terms, attempt, last.id.token, end)


@dataclass(slots=True)
class Total:
    """What was counted: generations by how they ended, tokens, and cost in 10⁻¹² of each currency."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def costs(self) -> dict[str, Decimal]:
        """By currency, what was counted."""
        return self._amounts(_COST)

    @property
    def estimates(self) -> dict[str, Decimal]:
        """By currency, what may come on top for attempts that nobody counted."""
        return self._amounts(_ESTIMATE)

    @property
    def mean_first_token_ms(self) -> float | None:
        """Mean ms from acceptance to the first delta of an answer; None where none is known."""
        mean = self._ratio("first_token_ms", "first_tokens")
        return None if mean is None else round(mean, 1)

    @property
    def mean_tokens_per_second(self) -> float | None:
        """Output tokens for each second in which answers came; None where none is known."""
        per_ms = self._ratio("streamed_tokens", "streaming_ms")
        return None if per_ms is None else round(per_ms * 1000, 2)

    def _ratio(self, sum_of: str, over: str) -> float | None:
        return self.counts[sum_of] / self.counts[over] if self.counts[over] else None

    @property
    def is_partial(self) -> bool:
        """Says whether something is missing from the costs."""
        return self.counts["unpriced"] > 0 or self.counts["partly"] > 0

    def _amounts(self, kind: str) -> dict[str, Decimal]:
        return {
            name.removeprefix(kind): Decimal(amount).scaleb(-COST_DIGITS)
            for name, amount in sorted(self.counts.items())
            if name.startswith(kind)
        }


def added(totals: Iterable[Total]) -> Total:
    """Returns the sum of totals."""
    every = Total()
    for total in totals:
        every.counts.update(total.counts)  # and no `+`, which would drop a cost of 0
    return every


class Totals:
    """Reads what the queue counted when it settled generations. Methods raise redis.exceptions.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def today(self) -> date:
        """Returns the day in UTC, by Redis' clock."""
        seconds, _ = await self.redis.time()
        return datetime.fromtimestamp(seconds, UTC).date()

    async def owners(self) -> list[str]:
        """Returns the owners of whom anything may have been counted, in order."""
        seconds, _ = await self.redis.time()
        counted = await self.redis.zrangebyscore(USAGE_OWNERS_KEY, f"({seconds * 1000}", "+inf")
        # What a version before this one has counted is known of the owners that still have generations.
        indexed: Any = self.redis.smembers(OWNERS_KEY)  # typed for a client that does not await too
        return sorted(owner.decode(errors="replace") for owner in {*counted, *await indexed})

    async def read(self, owner: str, first: date, last: date, by: By) -> dict[str, Total]:
        """Returns an owner's totals from one day to another, both included, by day (ISO 8601) or by model, in order."""
        days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
        totals: dict[str, Total] = {}
        for start in range(0, len(days), DAYS_PER_ROUND_TRIP):
            page = days[start : start + DAYS_PER_ROUND_TRIP]
            async with self.redis.pipeline(transaction=False) as pipe:
                for day in page:
                    pipe.hgetall(usage_key(owner, day))
                for day, fields in zip(page, await pipe.execute(), strict=True):
                    for name, value in fields.items():
                        counter, _, model = name.decode().partition(" ")
                        if model and counter != "model":
                            key = day.isoformat() if by == "day" else model
                            totals.setdefault(key, Total()).counts[counter] += int(value)
        return dict(sorted(totals.items()))


def _name(model: str) -> str:
    # What follows a question mark are parameters: the simulator's.
    return model.partition("?")[0][:MAX_MODEL_NAME_CHARS]
