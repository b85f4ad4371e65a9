"""The follower of a conversation: one for all who watch it here, and it alone asks Redis what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from redis.exceptions import RedisError

from api.supervisor import logger, where
from api.viewing.broadcast import VIEWERS_PER_ROUND
from api.viewing.conversation.held_turns import HeldTurns, Turn
from api.viewing.conversation.turn_list import Change, TurnList
from api.viewing.dialect import ConversationDialect
from api.viewing.hub import Hub
from shared.backoff import Backoff
from shared.conversations.conversations import Numbered
from shared.conversations.look import look
from shared.generations.generations import Existence
from shared.storage.clock import read_server
from shared.storage.outage import level

RECORDS_PER_READ = 100
"""Records that are read in one round trip."""
NEWEST_READ = 8
"""Of the turns that are there when it begins, the newest ones whose records it reads: one of them may run."""


class TurnWatcher(Protocol):
    """Someone who watches a conversation. None of the methods may wait."""

    place: int
    """Number of the turn that it has come to."""

    def news(self, turns: Sequence[Turn], /) -> None:
        """Is called when turns have begun."""

    def removed(self, turn: Numbered, /) -> None:
        """Is called when a turn is not there any more."""

    def void(self) -> None:
        """Is called when the turns have another order than it was told."""

    def finish(self) -> None:
        """Is called when there is nothing more to watch."""


class ConversationFollower:
    """Hears of new turns by the conversation's channel, and looks at its index, which alone is the truth.

    It looks when its subscription stands again, as something may be missed then, and when nothing was heard for `check`
    seconds.
    """

    def __init__(self, hub: Hub, dialect: ConversationDialect, owner: str, conversation: str, *, check: float) -> None:
        self.turns = TurnList()
        self.held = HeldTurns(hub, dialect)
        self.watchers: set[TurnWatcher] = set()
        self.ready = asyncio.Event()
        """Is set once the index was read, or there is none."""
        self.ended = False
        """Whether there is nothing to follow any more: deleted, expired, or lost for good."""
        self._hub, self._dialect, self._owner, self._conversation = hub, dialect, owner, conversation
        self._durability = hub.generations.durability
        self._check = check
        self._subscribed = False
        self._untold: list[Numbered] = []
        """Turns that a look has found, and of which nobody was told yet."""
        self._lacks = False
        """Whether the index lacks what may be about to be written again."""
        self._forgotten_at: float | None = None
        self._asked: list[asyncio.Future[None]] = []
        self._due = asyncio.Event()

    def subscribed(self) -> None:
        """Is called when the subscription stands; makes `run` look at what came before."""
        self._subscribed = True
        self._due.set()

    def published(self, message: bytes) -> None:
        """Takes the news that something has changed; the index says what."""
        self._due.set()

    async def look_again(self) -> None:
        """Waits until the index was looked at once more, from now on."""
        if not self.ended:
            asked = asyncio.get_running_loop().create_future()
            self._asked.append(asked)
            self._due.set()
            await asked

    def join(self, watcher: TurnWatcher) -> None:
        """Tells somebody what comes from now on."""
        self.watchers.add(watcher)

    def leave(self, watcher: TurnWatcher) -> None:
        """Tells somebody nothing more; without anybody, nothing is held."""
        self.watchers.discard(watcher)
        if not self.watchers:
            self.held.clear()

    async def run(self) -> None:
        """Looks whenever that is due, until cancelled or ended."""
        try:
            await self._keep_looking()
        except Exception as error:
            logger.error("following a conversation failed, its viewers are ended: %s", where(error))
            self._end()

    async def _keep_looking(self) -> None:
        backoff = Backoff()
        while not self.ended:
            try:
                async with asyncio.timeout(self._longest_wait()):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            # Before the subscription stands, what is noted behind the look would not be heard of.
            if not self._subscribed:
                continue
            asked, self._asked = self._asked, []
            try:
                await self._look()
                backoff.reset()
            except RedisError as error:
                self._asked += asked
                self._forgotten_at = None
                pause = next(backoff)
                logger.log(level(error), "looking at a conversation: %s; again in %.2f s", type(error).__name__, pause)
                await asyncio.sleep(pause)
                self._due.set()
            else:
                _answer(asked)

    def _longest_wait(self) -> float | None:
        if not self._subscribed:
            return None
        return self._durability.given_up_s / 10 if self._lacks or self._forgotten_at is not None else self._check

    async def _look(self) -> None:
        redis = self._hub.generations.redis
        found = await look(redis, self._owner, self._conversation, self.turns.newest)
        if not found.exists:
            if found.ended or self._given_up():
                self._end()
            return
        self._forgotten_at, self._lacks = None, False
        fresh = self.turns.extend(found)
        if fresh is None:
            whole = await look(redis, self._owner, self._conversation)
            change = self.turns.replace(whole.since)
            self._untold += change.fresh
            await self._take(change)
        else:
            self._untold += fresh
        # They are in the list by now, so a look that breaks off here must not lose them: the next finds nothing new.
        untold = sorted({turn for turn in self._untold if self.turns.number(turn.id) == turn.number})
        turns = await self._read(untold if self.ready.is_set() else untold[-NEWEST_READ:])
        self._untold.clear()
        self.ready.set()
        if turns:
            await self._tell(turns)

    def _given_up(self) -> bool:
        """Says whether Redis has had nothing of the conversation for long: those who remember it have written it."""
        now = asyncio.get_running_loop().time()
        if self._forgotten_at is None:
            self._forgotten_at = now
        return now - self._forgotten_at > self._durability.given_up_s

    async def _take(self, change: Change) -> None:
        """Tells of what has changed but for new turns."""
        if change.moved is not None:
            logger.warning("a conversation's turns are others than they were from number %d on", change.moved)
            self.held.clear(change.moved)
            for watcher in list(self.watchers):
                if watcher.place >= change.moved:
                    watcher.void()
        for turn in change.missing:
            if not await self._is_gone(turn):
                self._lacks = True
                continue
            self.turns.remove(turn)
            for watcher in list(self.watchers):
                watcher.removed(turn)

    async def _is_gone(self, turn: Numbered) -> bool:
        """Says whether a turn that the index does not have any more will not be noted again."""
        found = await self._hub.generations.find(turn.id)
        if found.existence is not Existence.NOTHING:
            return found.record is None
        return not (await read_server(self._hub.generations.redis)).young(self._durability.given_up_ms)

    async def _read(self, fresh: Sequence[Numbered]) -> list[Turn]:
        """Reads what is known of turns, and holds those that have not ended."""
        turns: list[Turn] = []
        for start in range(0, len(fresh), RECORDS_PER_READ):
            page = fresh[start : start + RECORDS_PER_READ]
            records = await self._hub.generations.records([turn.id for turn in page])
            turns += [
                Turn.of(numbered.number, record, self._dialect)
                for numbered, record in zip(page, records, strict=True)
                if record is not None
            ]
        for turn in turns if self.watchers else ():
            if turn.record.seal is None:
                self.held.add(turn)
        return turns

    async def _tell(self, turns: Sequence[Turn]) -> None:
        for number, watcher in enumerate(list(self.watchers), 1):
            watcher.news(turns)
            if number % VIEWERS_PER_ROUND == 0:
                await asyncio.sleep(0)

    def _end(self) -> None:
        self.ended = True
        self.ready.set()
        self.held.clear()
        for watcher in list(self.watchers):
            watcher.finish()
        asked, self._asked = self._asked, []
        _answer(asked)


def _answer(asked: Sequence[asyncio.Future[None]]) -> None:
    for future in asked:
        if not future.done():
            future.set_result(None)
