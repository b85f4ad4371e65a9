"""Unsynced: what this node has answered, until Redis has it on disk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from redis.exceptions import RedisError

from api.supervisor import logger
from shared.backoff import Backoff
from shared.conversations.conversations import Buried
from shared.counted import counted
from shared.durability import Durability
from shared.generations import conversation_removal
from shared.generations.generations import Generations
from shared.record import Acceptance
from shared.storage.outage import is_away, level

MAX_REMEMBERED = 20_000
"""Answers of each kind that are remembered; past it the oldest are forgotten."""
MAX_REQUEST_BYTES = 64_000_000
"""Bytes of their requests that are remembered; past it the oldest are forgotten."""
LOOK_PAGE = 100


@dataclass(frozen=True, slots=True)
class Ending:
    """A generation that was cancelled or deleted."""

    kind: Literal["cancel", "delete"]
    id: str
    owner: str


@dataclass(frozen=True, slots=True)
class ConversationEnding:
    """A conversation that was deleted."""

    name: str
    owner: str
    buried: Buried


Answered = Acceptance | Ending | ConversationEnding
P = TypeVar("P", Acceptance, Ending, ConversationEnding)


@dataclass(slots=True)
class _Remembered(Generic[P]):
    subject: P
    """The acceptance or the ending that a caller was told of."""
    at: float
    """When the answer was given, or kept again (the loop's time)."""
    looks: int = 0
    """How often Redis has answered since it was given, and it was not done yet."""

    @property
    def size(self) -> int:
        """Returns the bytes of the request, where there is one."""
        return len(self.subject.request) + len(self.subject.shown) if isinstance(self.subject, Acceptance) else 0


class _Line(Generic[P]):
    """Answers of one kind, in the order in which they are looked at; a Redis that only the other kind uses delays none.

    `look` gets a page of them, and returns those to look at again. A look while Redis is away is not counted.
    """

    def __init__(
        self, look: Callable[[list[_Remembered[P]]], Awaitable[list[_Remembered[P]]]], durability: Durability
    ) -> None:
        self._durability = durability
        self.answers: deque[_Remembered[P]] = deque()
        self._bytes = 0
        self.looked = asyncio.Event()
        self._look: Callable[[list[_Remembered[P]]], Awaitable[list[_Remembered[P]]]] = look

    def take(self, answered: P) -> None:
        self._put(_Remembered(answered, asyncio.get_running_loop().time()))

    def _put(self, answer: _Remembered[P]) -> None:
        self.answers.append(answer)
        self._bytes += answer.size
        while len(self.answers) > MAX_REMEMBERED or (self._bytes > MAX_REQUEST_BYTES and len(self.answers) > 1):
            self._next()

    def _next(self) -> _Remembered[P]:
        answer = self.answers.popleft()
        self._bytes -= answer.size
        return answer

    async def run(self) -> None:
        """Looks at the answers that are due, for ever."""
        synced_s = self._durability.synced_s
        backoff = Backoff(first=synced_s / 4, cap=synced_s)
        pause = synced_s / 4
        while True:
            self.looked.set()
            await asyncio.sleep(pause)
            pause = synced_s / 4
            while due := self._due(LOOK_PAGE):
                try:
                    await self._page(due)
                    backoff.reset()
                except RedisError as error:
                    logger.log(level(error), "answers not looked at again (%s)", type(error).__name__)
                    pause = next(backoff)
                    break

    def _due(self, most: int) -> list[_Remembered[P]]:
        due: list[_Remembered[P]] = []
        due_before = asyncio.get_running_loop().time() - self._durability.synced_s
        while self.answers and self.answers[0].at <= due_before and len(due) < most:
            due.append(self._next())
        return due

    async def _page(self, due: list[_Remembered[P]]) -> None:
        """Looks at a page of answers. Raises redis.exceptions.RedisError where Redis is away; all stay due then."""
        try:
            again = await self._look(due)
        except RedisError as error:
            if len(due) == 1 and not is_away(error):
                again = due  # an answer, and about this one
            else:
                self.answers.extendleft(reversed(due))
                self._bytes += sum(answer.size for answer in due)
                if is_away(error):
                    raise
                for _ in due:
                    await self._page(self._due(1))
                return
        now = asyncio.get_running_loop().time()
        for answer in again:
            answer.at, answer.looks = now, answer.looks + 1
            if answer.looks < self._durability.max_looks:
                self._put(answer)


class Unsynced:
    """Remembers answers until Redis has them on disk; accepts, cancels or deletes again what a killed Redis lost.

    Such a Redis comes back without its last second.
    """

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._accepted = _Line[Acceptance](self._look_at_accepted, generations.durability)
        self._ended = _Line[Ending](self._look_at_ended, generations.durability)
        self._buried = _Line[ConversationEnding](self._look_at_buried, generations.durability)

    def remember(self, answered: Answered) -> None:
        """Keeps an answer, to look at it again when it should be on disk."""
        match answered:
            case Ending():
                self._ended.take(answered)
            case ConversationEnding():
                self._buried.take(answered)
            case Acceptance():
                self._accepted.take(answered)

    async def run(self) -> None:
        """Looks at what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._accepted.run())
            tasks.create_task(self._ended.run())
            tasks.create_task(self._buried.run())

    async def kept(self) -> None:
        """Waits until nothing is left to look at: what a node remembers ends with it."""
        for line in (self._accepted, self._ended, self._buried):
            while line.answers:
                line.looked.clear()
                await line.looked.wait()

    async def _look_at_accepted(self, due: list[_Remembered[Acceptance]]) -> list[_Remembered[Acceptance]]:
        lost = await self._generations.accept_again([answer.subject for answer in due])
        if lost:
            number = counted(len(lost), "accepted generation", "accepted generations")
            logger.warning("Redis came back without %s, which was accepted again", number)
        ids = {acceptance.id for acceptance in lost}
        return [answer for answer in due if answer.subject.id in ids]  # that is not on disk yet either

    async def _look_at_ended(self, due: list[_Remembered[Ending]]) -> list[_Remembered[Ending]]:
        again: list[_Remembered[Ending]] = []
        ends = await self._generations.ends([answer.subject.id for answer in due])
        for answer, end in zip(due, ends, strict=True):
            ending = answer.subject
            if end == "gone" or (end == "sealed" and ending.kind == "cancel"):
                continue
            again.append(answer)
            try:
                if ending.kind == "cancel" and end in (None, "cancel"):
                    await self._generations.cancel(ending.id)
                elif ending.kind == "delete" and end in (None, "cancel", "sealed"):
                    await self._generations.delete(ending.owner, ending.id)
            except RedisError as error:
                if is_away(error):
                    answer.looks -= 1  # the queue's; those that need only the log's go on
        return again

    async def _look_at_buried(
        self, due: list[_Remembered[ConversationEnding]]
    ) -> list[_Remembered[ConversationEnding]]:
        again: list[_Remembered[ConversationEnding]] = []
        for answer in due:
            ending = answer.subject
            buried, ids = await conversation_removal.remove(self._generations, ending.owner, ending.name, ending.buried)
            if buried is not None or ids:
                again.append(answer)
        return again
