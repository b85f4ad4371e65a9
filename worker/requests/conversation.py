"""The conversation that a request goes on from: what each generation before it was asked and has answered, in order.

It is read where the request runs, as a record keeps its own messages only. What has been said is the caller's, so a
generation of another owner is none of it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from shared.errors import PreviousError, TooManyPartsError
from shared.generations.ancestry import Ancestry
from shared.generations.generations import Existence, Found, Generations
from shared.log.answer_message import answer_of
from shared.log.entry import Entry
from shared.log.guarded_log import Log
from shared.log.snapshots import Snapshot
from shared.process.background_thread import aside
from shared.record import Asked, Record
from shared.request.limits import MAX_MESSAGES, MAX_PARTS
from shared.request.request_json import count_parts_of_text, encode
from shared.storage.clock import read_server

READ_AT_ONCE = 8
"""Generations that are read beside each other."""

Messages = list[msgspec.Raw]


class _Asking(msgspec.Struct):
    messages: Messages = []


class _Role(msgspec.Struct):
    role: str = ""


class Conversation:
    """Reads what comes before one generation. Methods raise PreviousError and redis.exceptions.RedisError."""

    def __init__(self, generations: Generations, record: Record) -> None:
        self._generations = generations
        self._log = Log(generations.redis)
        self._record = record
        self._most = generations.settings.max_body

    async def before(self, request: bytes, asked: bytes) -> bytes:
        """Returns the request's JSON with all that it goes on from before its messages.

        Its own instructions stay the first of all; those of earlier Responses were for their answers only.
        """
        assert self._record.chain is not None
        ids = await self._ids(self._record.chain.nearest)
        pieces: list[Messages] = []
        size, count = len(request), len(await aside(len(request), _read, request))
        for start in range(0, len(ids), READ_AT_ONCE):
            for piece in await asyncio.gather(*map(self._piece, ids[start : start + READ_AT_ONCE])):
                size += sum(len(bytes(message)) for message in piece)
                count += len(piece)
                pieces.append(piece)
            if size > self._most or count > MAX_MESSAGES:
                raise PreviousError("too_long", ids[start])
        whole = await aside(size, _joined, request, _asked(asked), pieces[::-1])
        try:
            await aside(size, count_parts_of_text, whole, MAX_PARTS)
        except TooManyPartsError:
            raise PreviousError("too_long", ids[0]) from None
        return whole

    async def _ids(self, nearest: Sequence[str]) -> list[str]:
        while True:
            try:
                return await Ancestry(self._generations).ids(nearest, self._record.owner)
            except PreviousError as error:
                if error.reason != "gone" or not await self._may_come_back():
                    raise

    async def _piece(self, generation_id: str) -> Messages:
        """Returns what a generation was asked, and its answer."""
        found = await self._ended(generation_id)
        try:
            messages = await aside(len(found.request), _read, found.request)
        except msgspec.MsgspecError:
            raise PreviousError("gone", generation_id) from None
        return _without_instructions(messages, _asked(found.asked)) + await self._answer(generation_id)

    async def _ended(self, generation_id: str) -> Found:
        while True:
            found = await self._generations.find(generation_id, request=True)
            record = found.record
            if record is not None and record.owner == self._record.owner and record.seal is not None:
                return found
            # One that has not ended had, before Redis came back without its last second.
            if found.existence is Existence.TOMBSTONE or not await self._may_come_back():
                raise PreviousError("gone", generation_id)

    async def _may_come_back(self) -> bool:
        """Waits where Redis has just come back, perhaps without what will be written again; says whether it has."""
        server = await read_server(self._generations.redis)
        left_ms = server.left_ms(self._generations.durability.rewritten_ms)
        await asyncio.sleep(min(left_ms, 100) / 1000)
        return left_ms > 0

    async def _answer(self, generation_id: str) -> Messages:
        said = Snapshot()
        try:
            async for page in self._log.pages(generation_id):
                await aside(sum(len(entry.data) for entry in page), _apply, said, page)
        except ValueError:
            raise PreviousError("gone", generation_id) from None
        if said.end is None:
            raise PreviousError("gone", generation_id)  # it has expired since
        return [msgspec.Raw(encode(message)) for message in answer_of(said)]


def _asked(stored: bytes) -> Asked:
    return msgspec.json.decode(stored, type=Asked) if stored else Asked()


def _read(request: bytes) -> Messages:
    return msgspec.json.decode(request, type=_Asking).messages


def _apply(said: Snapshot, page: list[Entry]) -> None:
    for entry in page:
        said.apply(*entry)


def _without_instructions(messages: Messages, asked: Asked) -> Messages:
    return messages[_instructions(messages, asked) :]


def _instructions(messages: Messages, asked: Asked) -> int:
    """Returns how many of the messages are instructions: none, or the first."""
    first = msgspec.json.decode(messages[0], type=_Role).role if asked.instructs and messages else ""
    return int(first in ("system", "developer"))


def _joined(request: bytes, asked: Asked, before: Sequence[Messages]) -> bytes:
    fields: dict[str, Any] = msgspec.json.decode(request, type=dict[str, msgspec.Raw])
    own = msgspec.json.decode(fields["messages"], type=Messages)
    first = _instructions(own, asked)
    fields["messages"] = [*own[:first], *(message for piece in before for message in piece), *own[first:]]
    del fields["previous"]
    return msgspec.json.encode(fields)
