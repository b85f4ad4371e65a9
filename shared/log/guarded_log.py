"""The log: a generation's events in one Redis Stream, and the only place that decides who may write.

Every write is one Lua script that checks the record (sealed? whose token?) and the log's last id, so that a write is
either exactly the continuation of what is there, or nothing.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.log.compaction import is_packed, unpacked
from shared.log.entry import Entry, RawEntry
from shared.log.events import ORIGIN, TERMINAL_TYPES, AttemptReason, EventId
from shared.storage.keys import GenerationKeys
from shared.storage.lua_script import LuaScript

LOG_PAGE = 500
"""Entries that one read returns at most."""
PAGE_BYTES = 64_000_000
"""Bytes of large events, of more than 64 kB each, in one read of a log at most; a larger event is read by itself."""
MAX_BATCHES_PER_CALL = 32
"""Batches that one call of the append script takes at most; Redis does nothing else meanwhile."""
MAX_BYTES_PER_CALL = 65_536
"""Bytes of events after which no further batch joins a call."""


class WriteOutcome(StrEnum):
    """What the log answered to a write."""

    OK = "OK"
    FENCED = "FENCED"
    """A later attempt owns the log: stop, and say nothing more."""
    SEALED = "SEALED"
    """The generation has ended; nothing can be added."""
    GONE = "GONE"
    """No record: expired or deleted."""
    MISMATCH = "MISMATCH"
    """The log ends elsewhere than this batch begins: a reply was lost, or Redis came back older."""


class ClaimOutcome(StrEnum):
    """What the log answered to a claim."""

    CLAIMED = "CLAIMED"
    CANCELLED = "CANCELLED"
    """Owned, to write `cancelled`: somebody asked for it before this attempt."""
    EXHAUSTED = "EXHAUSTED"
    """Owned, to write `failed`: `max_attempts` attempts have failed."""
    INTERRUPTED = "INTERRUPTED"
    """Owned, to write `failed`: the worker was lost and the request says `on_interrupt: fail`."""
    SEALED = "SEALED"
    FENCED = "FENCED"
    GONE = "GONE"
    LATE = "LATE"
    """The lease had run out: another worker may have the job."""
    MOVED = "MOVED"
    """The log no longer ends with the event that this attempt would have continued from."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write: token, attempt number, and the id after which this attempt's events begin."""

    start: ClaimOutcome
    token: int = 0
    number: int = 0
    last: EventId = ORIGIN
    first: bytes = b""
    """JSON of the attempt event that the claim wrote; empty where it wrote none."""
    elapsed_ms: int = 0
    """ms since the first attempt began."""
    continues: bool = False
    """Whether it adds to what earlier attempts said."""

    @property
    def owned(self) -> bool:
        return self.start in _OWNED


_OWNED = frozenset({ClaimOutcome.CLAIMED, ClaimOutcome.CANCELLED, ClaimOutcome.EXHAUSTED, ClaimOutcome.INTERRUPTED})


class Batch(NamedTuple):
    """Consecutive events of one attempt, on their way to the log; ids are `<token>-<first>` and on."""

    generation_id: str
    token: int
    number: int
    previous: EventId
    first: int
    events: Sequence[tuple[str, bytes]]
    renew_ms: int = 0
    """TTL to set on record and log; 0 leaves it."""
    said: int = 0
    """About how many bytes the answer has, attempts that it continues included."""

    @property
    def last(self) -> EventId:
        return EventId(self.token, self.first + len(self.events) - 1)

    @property
    def alone(self) -> bool:
        """Says whether the append script must not take it together with others (append.lua)."""
        return self.renew_ms != 0 or self.events[-1][0] in TERMINAL_TYPES

    def arguments(self) -> list[str | bytes | int]:
        """Returns the arguments of the append script for this batch."""
        events = self.events
        state = events[-1][0] if events[-1][0] in TERMINAL_TYPES else ""
        arguments: list[str | bytes | int] = [
            self.token, str(self.previous), self.first, self.number, state, self.renew_ms, self.said, len(events)
        ]  # fmt: skip
        for event in events:
            arguments += event
        return arguments


class Reply(NamedTuple):
    """The log's answer to a batch. `last` is the log's last id on MISMATCH, the terminal event's on SEALED."""

    outcome: WriteOutcome
    last: EventId = ORIGIN
    cancel: bool = False

    @classmethod
    def parse(cls, raw: Sequence[bytes]) -> Self:
        if raw[0] == b"OK":
            return cls(WriteOutcome.OK, cancel=raw[1] == b"1")
        outcome = WriteOutcome(raw[0].decode())
        if outcome in (WriteOutcome.MISMATCH, WriteOutcome.SEALED):
            return cls(outcome, last=EventId.parse(raw[1]))
        return cls(outcome)


class Publication(NamedTuple):
    """What a write published: the batch, and the id it follows. The log is the truth; a publication announces it."""

    previous: EventId
    entries: list[Entry]

    @classmethod
    def parse(cls, message: bytes) -> Self | None:
        """Returns a published batch, or None for the news that the generation was deleted."""
        if message == b"deleted":
            return None
        header, *lines = message.split(b"\n")
        previous, first = header.split(b" ")
        token, seq = EventId.parse(first)
        entries = [
            Entry(EventId(token, seq + index), type.decode(), data)
            for index, (type, data) in enumerate(zip(lines[::2], lines[1::2], strict=True))
        ]
        return cls(EventId.parse(previous), entries)


def page_size(large: int, largest: int) -> int:
    """Returns how many entries of a log are read at a time, by the bytes of its large events and of the largest."""
    return LOG_PAGE if large <= PAGE_BYTES else min(LOG_PAGE, max(1, PAGE_BYTES // largest))


def next_delta(token: int, seq: int) -> tuple[bytes, bytes]:
    """Returns the id of a delta right after this event, in the same attempt, and how its publication begins."""
    id = b"%d-%d" % (token, seq + 1)
    return id, b"%d-%d %b\ndelta\n" % (token, seq, id)


class Log:
    """Reads and guarded writes of every generation's log. Methods raise redis.exceptions.RedisError."""

    _claim = LuaScript("shared/log/claim.lua")
    _append = LuaScript("shared/log/append.lua")
    _hand_over = LuaScript("shared/log/hand_over.lua")
    _pack = LuaScript("shared/log/pack.lua")

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        # Without redis-py's dictionary for each entry, which costs more than the rest of a read.
        self._plain = Redis(connection_pool=redis.connection_pool)
        for command in ("XRANGE", "XREVRANGE"):
            self._plain.set_response_callback(command, lambda response, **kwargs: response)

    async def claim(
        self,
        generation_id: str,
        *,
        model: str,
        provider: str,
        ttl_ms: int,
        continues: bool = False,
        token: int | None = None,
        reason: AttemptReason | None = None,
        until_ms: int | None = None,
        choice: int = 0,
        after: EventId | None = None,
        cached: bool = False,
        counts: bool = True,
        beside: bool = False,
    ) -> Claim:
        """Starts an attempt; from the moment it is CLAIMED every older one is fenced.

        `model` is the name by which `provider` knows it; the event says `provider/model`.
        `token` and `reason` are for the worker that owns the log already and tries again: the claim then counts its
        last attempt as failed, and is FENCED where it has lost the log. `ttl_ms` is how long record and log are kept
        unless renewed. After `until_ms` (Redis' clock), the end of the job's lease, it does nothing. `choice` is the
        place of the model among those that the request allows. With `after` it does nothing unless the log ends there.
        `cached` tells viewers that the answer is another generation's.
        Unless it `counts`, the last attempt is not one of those that may fail. `beside`: see `Record.beside`.
        """
        keys = GenerationKeys(generation_id)
        # Number and reason are known only inside the script, which completes the event's JSON with them.
        told = {"model": f"{provider}/{model}", "provider": provider, "continues": continues}
        told |= {"cached": True} if cached else {}
        rest = msgspec.json.encode(told | {"t": 0})[1:]
        owned, until = ("" if token is None else token), ("" if until_ms is None else until_ms)
        raw = await self._claim(
            self.redis,
            [keys.record, keys.log],
            [
                owned,
                reason or "",
                rest,
                ttl_ms,
                until,
                choice,
                "" if after is None else str(after),
                "" if counts else "1",
                "1" if beside else "",
            ],
        )
        start = ClaimOutcome(raw[0].decode())
        if start not in _OWNED:
            return Claim(start)
        first = b'{"number":%b,"reason":"%b",%b' % (raw[2], raw[4], rest) if start is ClaimOutcome.CLAIMED else b""
        return Claim(start, int(raw[1]), int(raw[2]), EventId.parse(raw[3]), first, int(raw[5]), continues)

    async def append(self, batch: Batch) -> Reply:
        """Writes a batch, and seals the log if it ends in a terminal event."""
        (reply,) = await self._append(self.redis, *_call([batch]))
        return Reply.parse(reply)

    async def append_all(self, batches: Sequence[Batch], *, together: bool = True) -> list[Reply | ResponseError]:
        """Writes batches in one round trip; returns what became of each, in their order.

        A ResponseError stands for a call that Redis refused, or broke off: some of its batches may have been written.
        After a NoScriptError, `load` and append again. Unless `together`, each batch has a call of its own.
        """
        calls = _calls(batches) if together else [[batch] for batch in batches]
        async with self.redis.pipeline(transaction=False) as pipe:
            for call in calls:
                self._append.queue(pipe, *_call(call))
            answers = await pipe.execute(raise_on_error=False)
        replies: list[Reply | ResponseError] = []
        for call, answer in zip(calls, answers, strict=True):
            replies += [answer] * len(call) if isinstance(answer, ResponseError) else map(Reply.parse, answer)
        return replies

    async def load(self) -> None:
        """Loads the append script into Redis, as pipelines run it by its hash."""
        await self._append.load(self.redis)

    async def hand_over(
        self, generation_id: str, token: int, reason: AttemptReason, *, cancelled: bytes = b""
    ) -> WriteOutcome:
        """Lets the next attempt begin without counting this one as failed.

        `cancelled` is the JSON of the event that ends the generation if it is cancelled before the next attempt: only
        this worker knows what was spent.
        """
        raw = await self._hand_over(self.redis, [GenerationKeys(generation_id).record], [token, reason, cancelled])
        return WriteOutcome(raw[0].decode())

    async def read(self, generation_id: str, after: EventId = ORIGIN, *, count: int = LOG_PAGE) -> list[Entry]:
        """Returns the events after a cursor, in order, at most `count`."""
        return [Entry.read(raw) for raw in await self.read_raw(generation_id, after, count=count)]

    async def read_raw(self, generation_id: str, after: EventId = ORIGIN, *, count: int = LOG_PAGE) -> list[RawEntry]:
        """Returns the same events as Redis replies them: for each its id, and its type and data."""
        start = "-" if after == ORIGIN else f"({after}"
        raw: list[RawEntry] = await self._plain.execute_command(  # type: ignore[no-untyped-call]
            "XRANGE", GenerationKeys(generation_id).log, start, "+", "COUNT", count
        )
        return unpacked(raw, after, count) if any(map(is_packed, raw)) else raw

    async def page(self, generation_id: str) -> int:
        """Returns how many of a log's entries are read at a time, for the log as it is now."""
        sizes = await self._plain.execute_command(  # type: ignore[no-untyped-call]
            "HMGET", GenerationKeys(generation_id).record, "large", "largest"
        )
        return page_size(*(int(size or 0) for size in sizes))

    async def pages(self, generation_id: str) -> AsyncGenerator[list[Entry], None]:
        """Yields the log as it is, in pages, up to the first that is not full: a follower reads on from there."""
        cursor, count = ORIGIN, await self.page(generation_id)
        while page := await self.read(generation_id, cursor, count=count):
            yield page
            if len(page) < count:
                return
            cursor = page[-1].id

    async def last(self, generation_id: str) -> Entry | None:
        """Returns the newest event, None in an empty log."""
        raw = await self._plain.execute_command(  # type: ignore[no-untyped-call]
            "XREVRANGE", GenerationKeys(generation_id).log, "+", "-", "COUNT", 1
        )
        return Entry.read(raw[0]) if raw else None

    async def ends(self, generation_ids: Sequence[str]) -> list[RawEntry | None]:
        """Returns the newest event of each log, None of an empty one."""
        plain = self._plain.pipeline(transaction=False)
        for generation_id in generation_ids:
            plain.execute_command("XREVRANGE", GenerationKeys(generation_id).log, "+", "-", "COUNT", 1)
        return [raw[0] if raw else None for raw in await plain.execute()] if generation_ids else []

    async def holds(self, generation_id: str, event_id: EventId) -> bool:
        """Says whether the log has (still) this event."""
        found = await self.read(generation_id, event_id.before, count=1)
        return bool(found) and found[0].id == event_id

    async def replace(self, generation_id: str, seal: EventId, count: int, entries: Sequence[Entry]) -> bool:
        """Replaces the `count` entries of a sealed log by ones that say the same; False where it is another log now."""
        keys = GenerationKeys(generation_id)
        arguments: list[str | bytes | int] = [str(seal), count]
        for entry in entries:
            arguments += (str(entry.id), entry.type, entry.data)
        return bool(await self._pack(self.redis, [keys.record, keys.log, keys.packing], arguments))


def _calls(batches: Iterable[Batch]) -> list[list[Batch]]:
    """Returns which batches the calls of the append script take, in their order."""
    calls: list[list[Batch]] = []
    size, room = 0, 0
    for batch in batches:
        if batch.alone:
            calls.append([batch])
            room = 0
            continue
        if not room or size > MAX_BYTES_PER_CALL:
            calls.append([])
            size, room = 0, MAX_BATCHES_PER_CALL
        calls[-1].append(batch)
        size += sum([len(data) for _, data in batch.events])
        room -= 1
    return calls


def _call(batches: Iterable[Batch]) -> tuple[list[str], list[str | bytes | int]]:
    """Returns the keys and arguments of one call of the append script."""
    names: list[str] = []
    arguments: list[str | bytes | int] = []
    for batch in batches:
        keys = GenerationKeys(batch.generation_id)
        names += (keys.record, keys.log, keys.tombstone)
        arguments += batch.arguments()
    return names, arguments
