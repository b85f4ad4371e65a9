"""The keeper of conversations: what ends renews the conversation that it belongs to, and has its place there."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from shared.backoff import Backoff
from shared.conversations.renewal import Renewal
from shared.generations.generations import Generations
from shared.storage.outage import is_away, level
from shared.usage import Ended

logger = logging.getLogger("midstream.worker")

MAX_WAITING = 10_000
"""Ended generations that wait; of more, the oldest are left out: the next turn renews as well."""

Settle = Callable[[list[str], list[Ended]], Awaitable[Sequence[Ended]]]


class ConversationKeeper:
    """Renews conversations whose generations have ended. `run` is its one task; nothing waits for it."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._renewal = Renewal(generations.conversations)
        self._waiting: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._wake = asyncio.Event()
        self._done = asyncio.Event()

    def before(self, settle: Settle) -> Settle:
        """Returns a function that settles what has ended, after taking it on here."""

        async def taken(generation_ids: list[str], ended: list[Ended]) -> Sequence[Ended]:
            self.take(ended)
            return await settle(generation_ids, ended)

        return taken

    def take(self, ended: Sequence[Ended]) -> None:
        """Takes on what has ended, where it belongs to a conversation."""
        for one in ended:
            if one.conversation is not None and one.state != "deleted":
                self._waiting[one.id] = one.owner, one.conversation
                if len(self._waiting) > MAX_WAITING:
                    self._waiting.popitem(last=False)
                self._wake.set()

    @property
    def waiting(self) -> list[str]:
        """Returns the generations that wait, the oldest first."""
        return list(self._waiting)

    async def drained(self) -> None:
        """Waits until nothing waits here."""
        while self._waiting:
            self._done.clear()
            await self._done.wait()

    async def run(self) -> None:
        """Renews one conversation after the other, until cancelled."""
        backoff = Backoff(first=0.1, cap=2.0)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                generation_id, (owner, conversation) = next(iter(self._waiting.items()))
                try:
                    await self.keep(generation_id, owner, conversation)
                    backoff.reset()
                except RedisError as error:
                    logger.log(
                        level(error), "%s: its conversation not renewed (%s)", generation_id, type(error).__name__
                    )
                    if is_away(error):
                        await backoff.wait()
                        continue
                self._waiting.pop(generation_id, None)
            self._done.set()

    async def keep(self, generation_id: str, owner: str, conversation: str) -> None:
        """Renews the conversation of a generation that has ended, which has its place there, or has it again.

        Raises redis.exceptions.RedisError.
        """
        (lacking,) = await self._generations.conversations.lacking([(owner, conversation, generation_id)])
        if lacking:
            (record,) = await self._generations.records([generation_id])
            if record is None:
                return  # it was deleted
            await self._generations.note_again([record])
        await self._renewal.renew(owner, conversation)
