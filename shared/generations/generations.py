"""Generations: the record that says what was asked, in which state the generation is, and whose it is."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import sys
import time
from base64 import b32encode
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.conversations.conversations import Conversations, Noted, NoteOutcome
from shared.errors import GoneError, MidstreamError, UnreadableRecordError
from shared.log.events import Cancelled, encode
from shared.log.guarded_log import Log
from shared.queue.indexes import IndexPlace
from shared.queue.limits import Announced, Announcement
from shared.queue.queue import Queue
from shared.record import RECORD_FIELDS, Acceptance, Asked, Record, Shown, State, read_record, shown_of
from shared.storage.clock import read_server
from shared.storage.keys import GenerationKeys
from shared.storage.lua_script import LuaScript
from shared.storage.secret import read_secret
from shared.usage import read_ended

End = Literal["gone", "lost", "sealed", "ending", "cancel"]
"""Why a generation does not go on: deleted or expired, forgotten by a Redis that came back older, sealed, cancelled.

`ending` is gone or sealed, but not yet for `Durability.synced_ms`: a Redis that crashes now may come back without that.
"""

logger = logging.getLogger("midstream.generations")

MAX_LEAVING_S = 1.0
"""Seconds for which a queue that does not answer is asked to let go what has ended; a worker meets it later."""
MAX_LOOKS_PER_PAGE = 20
"""Most reads of the index for one page, where much in it has expired; after them the page is shorter than asked for."""
CHOSEN_FROM_PER_LOOK = 100
"""Generations that one read looks at where only some are wanted: 2,000 for a page at most."""


class LimitedError(MidstreamError):
    """A generation is not accepted, as its owner, or all owners together, may have no more; nothing is written."""

    retryable = True

    def __init__(self, announcement: Announcement) -> None:
        super().__init__(", ".join(announcement.refusals))
        self.announcement = announcement


class ConversationFullError(MidstreamError):
    """A generation is not accepted, as its conversation has as many as it may; nothing is written, or left of it."""


class Existence(StrEnum):
    """What Redis holds under an id."""

    RECORD = "record"
    TOMBSTONE = "tombstone"
    """It expired or was deleted."""
    UNREADABLE = "unreadable"
    """Something that is no record."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What `accept` returns: `created` is False where the idempotency key was used before."""

    id: str
    state: State
    created_ms: int
    created: bool
    same_request: bool = True
    announcement: Announcement | None = None
    """How its owner stands now; None where nothing was announced."""
    number: int = 0
    """In its conversation; 0 where it is in none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What `find` returns: what is under an id, its owner where anything is, and the record where there is one."""

    existence: Existence
    owner: str | None = None
    record: Record | None = None
    created_ms: int | None = None
    """When the generation of a tombstone was created; None where an earlier version has left it."""
    now_ms: int = 0
    """Redis' clock (ms) at the time of the look."""
    request: bytes = b""
    """The request's JSON, where it was asked for."""
    asked: bytes = b""
    """JSON of its Asked, where the request was asked for; empty for one of the native dialect."""


class Generations:
    """Accepts, finds, lists, cancels and deletes. Methods raise redis.exceptions.RedisError."""

    _create = LuaScript("shared/generations/create.lua")
    _cancel = LuaScript("shared/generations/cancel.lua")
    _delete = LuaScript("shared/generations/delete.lua")
    _beside = LuaScript("shared/generations/beside.lua")

    def __init__(self, redis: Redis, queue: Queue, settings: Settings) -> None:
        self.redis = redis
        self.queue = queue
        self.settings = settings
        self.durability = queue.durability
        self.conversations = Conversations(redis, settings)
        self._secret: bytes | None = None
        self._made = time.monotonic()

    async def new_id(self, owner: str, idempotency_key: str | None) -> str:
        """Returns an id: 160 random bits, or made of owner and key, so that a repeated POST finds its first."""
        if idempotency_key is None:
            digest = secrets.token_bytes(20)
        else:
            message = f"{len(owner)}:{owner}{idempotency_key}".encode()
            digest = hmac.digest(await self.secret(), message, hashlib.sha256)[:20]
        return "gen_" + b32encode(digest).decode().lower()

    async def secret(self) -> bytes:
        """Returns the key of all HMACs.

        Made once by whichever API comes first. If Redis loses it, it has lost the generations too.
        """
        if self._secret is None:
            self._secret = await read_secret(self.redis)
        return self._secret

    async def accept(self, acceptance: Acceptance, *, again: bool = False) -> Accepted:
        """Accepts a generation: after this has returned, it runs to its end whatever dies.

        Pending index, record and job are written in this order. A crash between them leaves an index entry without a
        record, or a record without a job: the sweeper removes the one and enqueues the other.

        With `again` the id may have been accepted before, as its idempotency key was used: then nothing is announced,
        and it is neither refused nor counted, whatever its owner may have.

        Raises LimitedError and ConversationFullError before anything is written, and GoneError where the id belongs to
        an expired or deleted generation.
        """
        accepted = await self._accepted_before(acceptance) if again else None
        run = ""
        if accepted is None:
            if acceptance.conversation is not None:
                run = await self._await_place(acceptance.owner, acceptance.conversation)
            limits = self.settings.limits(acceptance.owner)
            announced = await self.queue.indexes.announce(
                acceptance.id, acceptance.owner, self.settings.max_pending, limits
            )
            if announced.outcome is Announced.REFUSED:
                raise LimitedError(announced)
            try:
                accepted = await self._write_record(acceptance)
            except GoneError:
                await self._withdraw(acceptance, announced)
                await self.queue.indexes.forget(acceptance.owner, [acceptance.id])
                raise
            if accepted.state not in ("queued", "running"):
                await self._withdraw(acceptance, announced)
            accepted = replace(accepted, announcement=announced)
        if acceptance.conversation is not None and accepted.same_request:
            # After the record and before the job: what runs has its place. Also again, as the job.
            number = await self._take_place(acceptance, acceptance.conversation, accepted, run)
            accepted = replace(accepted, number=number)
        if accepted.state == "queued" and accepted.same_request:
            # Also again: the first POST may have died before it did.
            await self.queue.enqueue(acceptance.id, owner=acceptance.owner)
        return accepted

    async def _await_place(self, owner: str, conversation: str) -> str:
        """Waits until a conversation can take its next generation, and returns Redis' run.

        Where Redis has just come back, who remembers what that lost of the conversation writes it again first: viewers
        have seen it in its place. Raises ConversationFullError.
        """
        standing = await self.conversations.standing(owner, conversation)
        if standing.full:
            raise ConversationFullError
        server = await read_server(self.redis)
        before = server.began_after(self._made) if standing.run is None else standing.run != server.run_id
        if before and server.young(self.durability.rewritten_ms):
            await asyncio.sleep(server.left_ms(self.durability.rewritten_ms) / 1000)
        return server.run_id or ""

    async def _take_place(self, acceptance: Acceptance, conversation: str, accepted: Accepted, run: str) -> int:
        """Gives a generation its place in its conversation, and returns its number.

        Raises ConversationFullError and leaves nothing of it, and GoneError where its conversation was deleted.
        """
        accepted_ms = None if accepted.created else accepted.created_ms
        noted = await self._note(acceptance, conversation, accepted_ms, run)
        if noted.outcome is NoteOutcome.FULL:
            await self.delete(acceptance.owner, acceptance.id)
            await self.queue.indexes.settle([acceptance.id])
            raise ConversationFullError
        if noted.outcome is NoteOutcome.GONE:
            raise GoneError
        return noted.number

    async def _note(
        self, noted: Acceptance | Record, conversation: str, accepted_ms: int | None, run: str = ""
    ) -> Noted:
        title = _shown_in(noted.shown or b"").title
        return await self.conversations.note(
            noted.owner, conversation, noted.id, title, number=noted.number, accepted_ms=accepted_ms, run=run
        )

    async def note_again(self, those: Sequence[Acceptance | Record]) -> list[str]:
        """Notes those again that their conversations lack, as Redis may have lost the note and not the record.

        Where the conversation was deleted meanwhile, that could not find them: they are deleted too, and returned.
        """
        gone: list[str] = []
        placed = [(one, one.conversation) for one in those if one.conversation is not None]
        if not placed:
            return gone
        lacks = await self.conversations.lacking([(one.owner, conversation, one.id) for one, conversation in placed])
        for (one, conversation), lacking in zip(placed, lacks, strict=True):
            if lacking and (await self._note(one, conversation, one.created_ms)).outcome is NoteOutcome.GONE:
                await self.delete(one.owner, one.id)
                gone.append(one.id)
        return gone

    async def _withdraw(self, acceptance: Acceptance, announced: Announcement) -> None:
        # Another POST accepted it since we looked, and it is over already. What that one announced is not ours to end.
        if announced.outcome is Announced.NEW:
            await self.queue.indexes.settle([acceptance.id])

    async def _accepted_before(self, acceptance: Acceptance) -> Accepted | None:
        """Returns the answer to the first POST of this id; None where this is the first. Raises GoneError."""
        keys = GenerationKeys(acceptance.id)
        async with self.redis.pipeline(transaction=True) as pipe:  # the two belong to one moment
            pipe.hmget(keys.record, ["created", "fingerprint", "state"])
            pipe.exists(keys.tombstone)
            (created, fingerprint, state), buried = await pipe.execute()
        if created is not None:
            return _repeated(acceptance, created, fingerprint, state)
        if buried:
            raise GoneError
        return None

    async def _write_record(self, acceptance: Acceptance) -> Accepted:
        keys = GenerationKeys(acceptance.id)
        running_ms = int(self.settings.running_ttl * 1000)
        tombstone_ms = int(self.settings.tombstone_ttl * 1000)
        fields: dict[str, str | bytes | int] = {
            "owner": acceptance.owner, "model": acceptance.model, "ttl": acceptance.ttl_ms, "shown": acceptance.shown,
            "request": acceptance.request, "on_interrupt": acceptance.on_interrupt, "tombstone_ttl": tombstone_ms,
            "max_attempts": self.settings.max_attempts,
        }  # fmt: skip
        if acceptance.asked:
            fields["asked"] = acceptance.asked
        if acceptance.chain is not None:
            fields["chain"] = acceptance.chain.text
        if acceptance.unwatched_ms is not None:
            fields["unwatched"] = acceptance.unwatched_ms
        if acceptance.conversation is not None:
            fields["conversation"] = acceptance.conversation
        if acceptance.number:
            fields["number"] = acceptance.number
        if acceptance.previous is not None:
            fields["previous"] = acceptance.previous
        if acceptance.trace is not None:
            fields["traceparent"] = acceptance.trace.traceparent
            if acceptance.trace.tracestate:
                fields["tracestate"] = acceptance.trace.tracestate
        raw = await self._create(
            self.redis,
            [keys.record, keys.tombstone],
            [
                running_ms,
                running_ms + tombstone_ms,
                acceptance.fingerprint,
                acceptance.created_ms,
                *(item for pair in fields.items() for item in pair),
            ],
        )
        if raw[0] == b"CREATED":
            return Accepted(acceptance.id, "queued", int(raw[1]), created=True)
        if raw[0] == b"GONE":
            raise GoneError
        return _repeated(acceptance, *raw[1:])

    async def find(self, generation_id: str, *, request: bool = False) -> Found:
        """Returns what is under an id, without comparing the owner. With `request` it reads the request too."""
        keys = GenerationKeys(generation_id)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.record, [*RECORD_FIELDS, "request", "asked"] if request else RECORD_FIELDS)
            pipe.get(keys.tombstone)
            pipe.time()
            values, tombstone, clock = await pipe.execute()
        now_ms = clock[0] * 1000 + clock[1] // 1000
        try:
            record = read_record(generation_id, values)
        except UnreadableRecordError:
            logger.error("%s: what Redis has under its id is no record", generation_id)
            owner = (values[RECORD_FIELDS.index("owner")] or b"").decode(errors="replace")
            return Found(Existence.UNREADABLE, owner, now_ms=now_ms)
        if record is not None:
            body, asked = (value or b"" for value in values[-2:]) if request else (b"", b"")
            return Found(Existence.RECORD, record.owner, record, now_ms=now_ms, request=body, asked=asked)
        if tombstone is not None:
            owner, _, created = tombstone.decode(errors="replace").partition("\n")
            created_ms = int(created) if created.isascii() and created.isdecimal() else None
            return Found(Existence.TOMBSTONE, owner, created_ms=created_ms)
        return Found(Existence.NOTHING)

    async def request(self, generation_id: str) -> bytes:
        """Returns a request's JSON; empty where there is no record (any more)."""
        read: Any = self.redis.hget  # typed for a client that does not await too
        return await read(GenerationKeys(generation_id).record, "request") or b""

    async def asked(self, generation_id: str) -> Asked:
        """Returns how a generation was asked for; that of the native dialect where the record does not say."""
        read: Any = self.redis.hget  # typed for a client that does not await too
        stored = await read(GenerationKeys(generation_id).record, "asked")
        return msgspec.json.decode(stored, type=Asked) if stored else Asked()

    async def shown(self, record: Record) -> Shown:
        """Returns what a snapshot shows of the request; reads that only where an older version has accepted it."""
        if record.shown is not None:
            return msgspec.json.decode(record.shown, type=Shown)
        return shown_of(await self.request(record.id))

    async def place(self, owner: str, generation_id: str) -> IndexPlace | None:
        """Returns where a generation stands in its owner's list, or stood; None where that is not known."""
        place = await self.queue.indexes.place(owner, generation_id)
        if place is None:
            found = await self.find(generation_id)
            if found.created_ms is not None and found.owner == owner:
                return IndexPlace(found.created_ms, generation_id)
        return place

    async def page(
        self,
        owner: str,
        *,
        before: IndexPlace | None,
        limit: int,
        wants: Callable[[State, Shown], bool] | None = None,
    ) -> tuple[list[Record], IndexPlace | None]:
        """Returns the owner's generations, newest first, and the place to continue from (None at the end).

        With `wants` only those for which it says so. A page is shorter than `limit` only at the end, where very many
        are not wanted, or where the index still has very many that have expired: their entries are dropped on the way.
        """
        records: list[tuple[IndexPlace, Record]] = []
        for _ in range(MAX_LOOKS_PER_PAGE):
            # One more than asked for: whether anything follows is known from it.
            wanted = CHOSEN_FROM_PER_LOOK if wants is not None else limit + 1 - len(records)
            places = await self.queue.indexes.owned(owner, before=before, limit=wanted)
            there = await self.records([place.id for place in places])
            for place, record in zip(places, there, strict=True):
                if record is not None and (wants is None or wants(record.state, _shown(record))):
                    records.append((place, record))
            gone = [place.id for place, record in zip(places, there, strict=True) if record is None]
            await self.queue.indexes.forget(owner, await self.queue.indexes.not_pending(gone))
            if len(records) > limit:
                return [record for _, record in records[:limit]], records[limit - 1][0]
            if len(places) < wanted:
                return [record for _, record in records], None
            before = places[-1]
        return [record for _, record in records], before

    async def records(self, generation_ids: Sequence[str]) -> list[Record | None]:
        """Reads the record of each in one round trip; None where there is none that can be read."""
        if not generation_ids:
            return []
        async with self.redis.pipeline(transaction=False) as pipe:
            for generation_id in generation_ids:
                pipe.hmget(GenerationKeys(generation_id).record, RECORD_FIELDS)
            return [_record(i, values) for i, values in zip(generation_ids, await pipe.execute(), strict=True)]

    async def states(self, generation_ids: Sequence[str]) -> list[State | None]:
        """Reads the state of each in one round trip; None where there is no record."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for generation_id in generation_ids:
                pipe.hget(GenerationKeys(generation_id).record, "state")
            return [None if state is None else state.decode() for state in await pipe.execute()]

    async def _drop_expired(self, owner: str, places: Sequence[IndexPlace]) -> None:
        """Drops from the index what has no record, except what is just being accepted."""
        if not places:
            return
        async with self.redis.pipeline(transaction=False) as pipe:
            for place in places:
                pipe.exists(GenerationKeys(place.id).record)
            there = await pipe.execute()
        expired = [place.id for place, exists in zip(places, there, strict=True) if not exists]
        await self.queue.indexes.forget(owner, await self.queue.indexes.not_pending(expired))

    async def tidy(self, owner: str, before: IndexPlace | None, count: int) -> IndexPlace | None:
        """Drops what has expired from a stretch of the owner's index; returns where the next begins, None at the end.

        Of a generation whose log has expired only the tombstone stays.
        """
        places = await self.queue.indexes.owned(owner, before=before, limit=count)
        await self._drop_expired(owner, places)
        if not places and before is None:
            await self.queue.indexes.drop_owner(owner)
        return places[-1] if len(places) == count else None

    async def cancel(self, generation_id: str) -> State | None:
        """Asks for the end of a generation, and returns its state now.

        That is `cancelled` or another end where it is sealed, `running` where its worker was asked to end it, None
        where there is nothing (any more). While Redis has been up for less than a lease, nothing is sealed here; ask
        again later.
        """
        keys = GenerationKeys(generation_id)
        young = (await read_server(self.redis)).young(self.durability.lease_ms)
        seals = "" if young else "1"
        raw = await self._cancel(self.redis, [keys.record, keys.log, keys.tombstone], [encode(Cancelled()), seals])
        if raw[0] == b"GONE":
            return None
        if raw[0] == b"SEALED":
            state: State = raw[1].decode()
            return state
        if raw[0] == b"CANCELLED":
            if raw[2] == b"0":
                await self.leave_line([generation_id])
            return "cancelled"
        await self.queue.interrupt(generation_id)
        return "running"

    async def delete(self, owner: str, generation_id: str) -> None:
        """Removes a generation's content at once, ends its viewers and stops its worker. Idempotent.

        What it used stays in its owner's totals.
        """
        keys = GenerationKeys(generation_id)
        found = await self.find(generation_id)
        record = found.record
        if record is not None and record.seal is not None:
            # Before it is gone: the worker that ended it may not have lived to count it.
            with suppress(ValueError):
                end = await read_ended(Log(self.redis), record)
                # One that is kept for longer than that, as its conversation went on, was counted long ago.
                known = end is not None and end.ended_ms + end.keep_ms > found.now_ms
                await self.queue.indexes.settle([], [end] if end and known else [])
        await self._delete(self.redis, [keys.record, keys.log, keys.tombstone])
        if record is not None and record.conversation is not None:
            await self.conversations.leave(owner, record.conversation, generation_id)
        await self.queue.interrupt(generation_id)
        await self.queue.remove([generation_id])
        await self.queue.indexes.forget(owner, [generation_id])

    async def leave_line(self, generation_ids: Sequence[str]) -> None:
        """Takes generations that were sealed before any attempt out of their owners' lines.

        One that was handed over is left for a worker, which ends what its provider still runs of it. For the others
        that is only sooner than a worker would find it: a queue that is away holds nobody up.
        """
        with suppress(RedisError, TimeoutError):
            async with asyncio.timeout(MAX_LEAVING_S):
                await self.queue.remove(generation_ids)

    async def ends(self, generation_ids: Sequence[str]) -> list[End | None]:
        """Returns for each id why its generation does not go on; None where it may."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for generation_id in generation_ids:
                pipe.hmget(GenerationKeys(generation_id).record, ["token", "seal", "ended", "cancel"])
                pipe.pttl(GenerationKeys(generation_id).tombstone)
            (seconds, microseconds), *raw = await pipe.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        synced_ms = now_ms - self.durability.synced_ms
        buried_ms = int(self.settings.tombstone_ttl * 1000) - self.durability.synced_ms
        ends: list[End | None] = []
        for (token, seal, ended, cancel), left_ms in zip(raw[::2], raw[1::2], strict=True):
            if token is None and left_ms < 0:
                ends.append("lost")
            elif token is None:
                # A tombstone's time begins when the content goes.
                ends.append("gone" if left_ms <= buried_ms else "ending")
            elif seal is not None:
                # One that ends later than now did so before the clock was set back.
                synced = int(ended) <= synced_ms or int(ended) > now_ms + 2 * self.queue.lease_ms
                ends.append("sealed" if synced else "ending")
            else:
                ends.append("cancel" if cancel is not None else None)
        return ends

    async def renew(self, generation_id: str) -> None:
        """Renews the TTL of a record that still waits for a worker."""
        keys = GenerationKeys(generation_id)
        running_ms = int(self.settings.running_ttl * 1000)
        await self.redis.pexpire(keys.record, running_ms)
        await self.redis.pexpire(keys.tombstone, running_ms + int(self.settings.tombstone_ttl * 1000))

    async def note_beside(self, generation_ids: Iterable[str]) -> None:
        """Notes in each record that its last attempt runs beside another's on one worker: see `Record.beside`."""
        for generation_id in generation_ids:
            await self._beside(self.redis, [GenerationKeys(generation_id).record])

    async def restore(self, acceptance: Acceptance) -> bool:
        """Writes a record again that a Redis which came back older has lost; its writer restores the log.

        Returns False where it was deleted or has expired: that leaves a tombstone, a lost record leaves nothing.
        """
        await self.queue.indexes.announce(acceptance.id, acceptance.owner, sys.maxsize)
        try:
            await self._write_record(acceptance)
        except GoneError:
            return False
        if await self.note_again([acceptance]):
            return False
        if acceptance.unwatched_ms is not None:
            await self.queue.indexes.put_off_unwatched({acceptance.id: acceptance.unwatched_ms})
        return True

    async def accept_again(self, acceptances: Sequence[Acceptance]) -> list[Acceptance]:
        """Verifies that both Redis still have what was accepted; accepts again, and returns, what one of them lost."""
        if not acceptances:
            return []
        # The queue first: what has ended leaves it, and is known to have ended after that.
        lacks = await self.queue.indexes.lacks([(a.id, a.owner) for a in acceptances])
        ends = await self.ends([a.id for a in acceptances])
        # Of what has just ended it is not known whether it was deleted; what a worker ended it notes itself.
        there = (None, "cancel", "sealed")
        await self.note_again([a for a, end in zip(acceptances, ends, strict=True) if end in there])
        lost = []
        for acceptance, (unlisted, unqueued), end in zip(acceptances, lacks, ends, strict=True):
            if end == "lost" or (end in (None, "cancel") and (unlisted or unqueued)):
                lost.append(acceptance)
                if await self.restore(acceptance):
                    # A worker may have run it, even to its end: it has this time to write its log and its lease again.
                    await self.queue.enqueue(acceptance.id, self.durability.restored_ms, owner=acceptance.owner)
            elif end in ("sealed", "ending") and unlisted:
                # Out of the pending index it may be for good, but not out of its owner's list.
                await self.queue.indexes.list_again(acceptance.id, acceptance.owner)
        return lost


def _shown(record: Record) -> Shown:
    """Returns what is shown of the request, as far as the record has it."""
    return Shown() if record.shown is None else _shown_in(record.shown)


def _shown_in(stored: bytes) -> Shown:
    try:
        return msgspec.json.decode(stored, type=Shown)
    except msgspec.MsgspecError:
        return Shown()


def _record(generation_id: str, values: Sequence[bytes | None]) -> Record | None:
    try:
        return read_record(generation_id, values)
    except UnreadableRecordError:
        logger.error("%s: what Redis has under its id is no record", generation_id)
        return None


def _repeated(acceptance: Acceptance, created: bytes, fingerprint: bytes, state: bytes) -> Accepted:
    """Returns the answer to a POST whose id exists already."""
    same = hmac.compare_digest(fingerprint, acceptance.fingerprint.encode())
    return Accepted(acceptance.id, state.decode(), int(created), created=False, same_request=same)  # type: ignore[arg-type]
