"""Conversations: which generations belong to one, by the caller's own name for it, on the logs' Redis.

It is written after the record of a generation and before its job. Redis' append-only file keeps that order, and who
remembers what Redis lost, or settles what has ended, notes it once more: no generation is missing here for good.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.conversations.owner_index import OwnerIndex
from shared.storage.keys import ConversationKeys, GenerationKeys
from shared.storage.lua_script import LuaScript

MAX_CONVERSATION_CHARS = 128
MAX_GENERATIONS = 1_000
"""Generations of one conversation."""


class NoteOutcome(StrEnum):
    """What became of a note."""

    NEW = "NEW"
    BEFORE = "BEFORE"
    FULL = "FULL"
    GONE = "GONE"
    """The conversation was deleted since the generation was accepted."""


class Noted(NamedTuple):
    """What became of a note, and the generation's number; 0 where it has none."""

    outcome: NoteOutcome
    number: int


class Numbered(NamedTuple):
    """A generation of a conversation."""

    number: int
    """They count from 1; one that is taken out leaves a hole."""
    id: str


class About(NamedTuple):
    """What is known of a conversation beside its generations. Times are ms, on Redis' clock."""

    id: str
    owner: str
    title: str
    created_ms: int
    updated_ms: int
    """When its newest generation was noted."""


class Standing(NamedTuple):
    """How a conversation stands before it takes another generation."""

    full: bool
    run: str | None
    """The run of Redis in which it took the last; None where it is not known."""


class Buried(NamedTuple):
    """What of a conversation is to be deleted: enough to delete the same again, and nothing that came after it."""

    created_ms: int
    last: int
    """The last number."""


class Conversations:
    """Notes, finds, names and ends conversations. Methods raise redis.exceptions.RedisError."""

    _note = LuaScript("shared/conversations/note.lua")
    _number = LuaScript("shared/conversations/number.lua")
    _rename = LuaScript("shared/conversations/rename.lua")
    _bury = LuaScript("shared/conversations/bury.lua")

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.redis = redis
        self.kept_ms = int(settings.conversation_kept * 1000)
        """ms for which a conversation, and what belongs to it, is kept when it is renewed."""
        self.slack_ms = self.kept_ms - int(settings.conversation_ttl * 1000)
        """ms of these within which its generations need not be renewed again."""
        self.tombstone_ms = int(settings.tombstone_ttl * 1000)
        self.running_ms = max(self.kept_ms, int(settings.running_ttl * 1000))
        """ms for which it is kept at least while a turn of it waits or runs."""
        self.index = OwnerIndex(redis, kept_ms=self.running_ms)

    async def note(
        self,
        owner: str,
        conversation: str,
        generation_id: str,
        title: str = "",
        *,
        number: int = 0,
        accepted_ms: int | None = None,
        run: str = "",
    ) -> Noted:
        """Notes that a generation belongs to a conversation, as the last of it so far; once, however often called.

        `number` is the one that it had before Redis lost it. `accepted_ms` says since when it is there, of one that may
        have been deleted since with its conversation. `run` is Redis' own, as one is accepted now. Who follows the
        conversation hears of a new one.
        """
        keys = ConversationKeys(owner, conversation)
        accepted = "" if accepted_ms is None else accepted_ms
        outcome, number, now = await self._note(
            self.redis,
            [keys.about, keys.generations, keys.tombstone],
            [
                *(generation_id, conversation, owner, title, self.running_ms),
                *(self.running_ms + self.tombstone_ms, MAX_GENERATIONS, number, accepted, run),
            ],
        )
        noted = Noted(NoteOutcome(outcome.decode()), int(number))
        if noted.outcome is NoteOutcome.NEW:
            await asyncio.gather(
                self.index.note(owner, conversation, int(now)),
                # Who restores or notes it without us must not give it another.
                self._number(self.redis, [GenerationKeys(generation_id).record], [noted.number]),
            )
        return noted

    async def lacking(self, places: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Returns for each owner, conversation and generation whether the conversation lacks it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for owner, conversation, generation_id in places:
                pipe.zscore(ConversationKeys(owner, conversation).generations, generation_id)
            return [score is None for score in await pipe.execute()]

    async def find(self, owner: str, conversation: str) -> About | None:
        """Returns what is known of a conversation; None where there is none (any more)."""
        (about,) = await self.find_all(owner, [conversation])
        return about

    async def find_all(self, owner: str, conversations: Sequence[str]) -> list[About | None]:
        """Returns the same of each, in one round trip."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for conversation in conversations:
                pipe.hmget(ConversationKeys(owner, conversation).about, ["title", "created", "updated"])
            raw = await pipe.execute()
        return [
            None
            if created is None or updated is None
            else About(conversation, owner, (title or b"").decode(), int(created), int(updated))
            for conversation, (title, created, updated) in zip(conversations, raw, strict=True)
        ]

    async def ended(self, owner: str, conversation: str) -> bool:
        """Says whether a conversation that is not found was there once: it was deleted or has expired."""
        keys = ConversationKeys(owner, conversation)
        async with self.redis.pipeline(transaction=True) as pipe:  # its first turn may have come since it was not found
            pipe.exists(keys.about)
            pipe.exists(keys.tombstone)
            there, buried = await pipe.execute()
        return bool(buried and not there)

    async def generations(self, owner: str, conversation: str, *, after: int = 0) -> Sequence[Numbered]:
        """Returns the conversation's generations behind the number `after`, in their order."""
        keys = ConversationKeys(owner, conversation)
        raw = await self.redis.zrangebyscore(keys.generations, f"({after}", "+inf", withscores=True)
        return [Numbered(int(number), generation_id.decode()) for generation_id, number in raw]

    async def newest(self, owner: str, conversations: Sequence[str], count: int) -> list[list[str]]:
        """Returns for each conversation the ids of its newest generations, the newest first."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for conversation in conversations:
                pipe.zrevrange(ConversationKeys(owner, conversation).generations, 0, count - 1)
            return [[generation_id.decode() for generation_id in ids] for ids in await pipe.execute()]

    async def standing(self, owner: str, conversation: str) -> Standing:
        """Returns how a conversation stands before it takes another generation."""
        keys = ConversationKeys(owner, conversation)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(keys.generations)
            pipe.hget(keys.about, "run")
            count, run = await pipe.execute()
        return Standing(count >= MAX_GENERATIONS, None if run is None else run.decode())

    async def rename(self, owner: str, conversation: str, title: str) -> bool:
        """Gives a conversation a title; False where there is none (any more)."""
        return bool(await self._rename(self.redis, [ConversationKeys(owner, conversation).about], [title]))

    async def leave(self, owner: str, conversation: str, generation_id: str) -> None:
        """Takes a generation that is deleted out of its conversation. Who follows that hears of it."""
        keys = ConversationKeys(owner, conversation)
        await self.redis.zrem(keys.generations, generation_id)
        await self.redis.publish(keys.channel, generation_id)

    async def bury(self, owner: str, conversation: str, again: Buried | None = None) -> Buried | None:
        """Begins to delete a conversation; `again` says what was to be deleted then, where Redis may have lost that.

        Returns what is to be deleted; None where there is nothing of it. Its followers are ended.
        """
        keys = ConversationKeys(owner, conversation)
        asked: list[str | int] = ["", ""] if again is None else [again.created_ms, again.last]
        created, last = await self._bury(
            self.redis,
            [keys.about, keys.generations, keys.tombstone, keys.buried],
            [owner, self.tombstone_ms, *asked],
        )
        if not int(created):
            return None
        if not await self.redis.exists(keys.about):
            await self.index.drop(owner, conversation)
            # One of its name that began between may have been in the index already.
            await self.list_again(owner, conversation)
        return Buried(int(created), int(last))

    async def list_again(self, owner: str, conversation: str) -> None:
        """Notes a conversation in its owner's index, where it is there and the index lacks it."""
        about = await self.find(owner, conversation)
        if about is not None:
            await self.index.restore(owner, conversation, about.updated_ms)

    async def buried(self, owner: str, conversation: str) -> list[str]:
        """Returns the generations that are still to be deleted, as their conversation was."""
        raw = await self.redis.zrange(ConversationKeys(owner, conversation).buried, 0, -1)
        return [generation_id.decode() for generation_id in raw]

    async def forget_buried(self, owner: str, conversation: str, generation_ids: Sequence[str]) -> None:
        """Notes that these are deleted."""
        await self.redis.zrem(ConversationKeys(owner, conversation).buried, *generation_ids)
