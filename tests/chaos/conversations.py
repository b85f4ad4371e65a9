"""Conversations of a run: which take turns, who follows them, and what is held of them in the end."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import httpx2
from redis.asyncio import Redis

from api.access.caller import LOCAL_OWNER
from shared.storage.keys import ConversationKeys
from tests.chaos.audience import TERMINAL, Viewer
from tests.chaos.history import ConversationView, History, Told, Turns, View

CONVERSED = 0.6
"""Share of what is asked natively that is a turn of a conversation."""
OPEN = 4
"""Conversations that take turns at a time."""
TURNS = 2, 8
"""Turns of each: the least and the most."""
AWAY: dict[str, Any] = {"stay": 2.0, "pause": (1.0, 8.0)}
"""Seconds for which one who is away in between stays, and is away."""
DELETED = 0.15
"""Share of the conversations that are deleted in the end."""


@dataclass(eq=False)
class Conversation:
    """One conversation, as those know it who ask in it and who follow it."""

    name: str
    left: int
    """Turns that will still be asked for."""
    doomed: bool
    """Whether it is to be deleted in the end."""
    asking: int = 0
    """Turns that are asked for, and not yet accepted."""
    busy: int = 0
    """Turns with which somebody is not done."""
    accepted: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Turns that were deleted, or that a killed Redis has lost with their node."""
    deleted: bool = False

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/v1/conversations/{quote(self.name, safe='')}"

    @property
    def wanted(self) -> set[str]:
        """What there is to see of it so far."""
        return self.accepted - self.gone

    @property
    def is_full(self) -> bool:
        """Whether no turn comes any more."""
        return not self.left and not self.asking


class ConversationViewer(Viewer):
    """One person who follows a conversation until it has no more turns."""

    def __init__(
        self,
        name: str,
        conversation: Conversation,
        where: Callable[[], tuple[str, str]],
        history: History,
        chance: random.Random,
        *,
        stay: float,
        pause: tuple[float, float] = Viewer.pause,
    ) -> None:
        super().__init__(name, conversation.name, where, history, chance)
        self.conversation, self.stay, self.pause = conversation, stay, pause
        self._told: list[Told] = []

    @property
    def path(self) -> str:
        return f"{self.conversation.path}/events"

    def _begin(self, api: str, cursor: str) -> View:
        self._told = []
        return super()._begin(api, cursor)

    def _record(self, view: View, how: str) -> None:
        self._history.add(
            ConversationView(
                at=time.time(), viewer=view.viewer, connection=view.connection, conversation=view.id, api=view.api,
                cursor=view.cursor, sent=view.sent, status=view.status, how=how, invented=view.invented,
                events=self._told,
            )
        )  # fmt: skip
        self._view = None

    def _invented(self, newest: str) -> str:
        tail, _, native = newest.rpartition(".")
        if not tail or self._chance.random() < 0.5:
            tail = "".join(self._chance.choices("abcdefgh", k=32))
        return f"{tail}.{super()._invented(native)}"

    def _is_over(self, view: View) -> bool:
        return (view.status in (404, 410) and self.conversation.deleted) or self._has_enough()

    def _has_enough(self) -> bool:
        if not self.conversation.is_full:
            return False
        ended = {event.id.partition(".")[0] for event in self.seen if event.type in TERMINAL}
        return {id.removeprefix("gen_") for id in self.conversation.wanted} <= ended

    def _see(self, view: View, block: bytes) -> None:
        before = len(view.events)
        super()._see(view, block)
        self.ended = False  # a turn's end is not the conversation's
        for event in view.events[before:]:
            turn, number = "", 0
            if event.type in ("generation", "begun", "gone"):
                data = json.loads(block.partition(b"data: ")[2].partition(b"\n")[0])
                turn, number = data["generation"], data.get("number", 0)
            self._told.append(Told(*event, turn, number))


class Person(Protocol):
    """Somebody who follows something."""

    async def follow(self, restless: Callable[[], bool], /) -> None:
        """Until the end, or until there is nothing to see. While `restless`, they also leave without need."""

    def give_up(self) -> None:
        """Record that they wait for something that does not come."""


class Conversations:
    """Gives turns to conversations, and followers to each: one that stays, one that is away in between, and others."""

    def __init__(
        self,
        seed: int,
        history: History,
        where: Callable[[random.Random], tuple[str, str]],
        watch: Callable[[Person], Awaitable[None]],
        also: Callable[[Conversation], list[Person]],
    ) -> None:
        self.following: set[asyncio.Task[None]] = set()
        self.all: list[Conversation] = []
        self._seed, self._history, self._where, self._watch, self._also = seed, history, where, watch, also
        self._open: list[Conversation] = []

    def join(self, chance: random.Random) -> Conversation | None:
        """The conversation that the next question is a turn of, if any. It is `asking` until it is accepted."""
        if chance.random() > CONVERSED:
            return None
        while len(self._open) < OPEN:
            self._open.append(self._begin(chance))
        conversation = chance.choice(self._open)
        conversation.left -= 1
        conversation.asking += 1
        conversation.busy += 1
        if not conversation.left:
            self._open.remove(conversation)
        return conversation

    def close(self) -> None:
        """No more turns, but for those that are asked for."""
        for conversation in self._open:
            conversation.left = 0
        self._open.clear()

    def late(self, conversation: Conversation) -> ConversationViewer:
        """Somebody who looks at it in the end."""
        return self._follower("late", conversation, stay=60.0)

    def _begin(self, chance: random.Random) -> Conversation:
        number = len(self.all) + 1
        conversation = Conversation(f"talk {self._seed}/{number}", chance.randint(*TURNS), chance.random() < DELETED)
        self.all.append(conversation)
        viewers: list[Person] = [
            self._follower("steady", conversation, stay=20.0),
            self._follower("away", conversation, **AWAY),
            *self._also(conversation),
        ]
        for viewer in viewers:
            self.following.add(asyncio.ensure_future(self._watch(viewer)))
        return conversation

    def _follower(self, kind: str, conversation: Conversation, **how: Any) -> ConversationViewer:
        name = f"{conversation.name} {kind}"
        chance = random.Random(name)
        return ConversationViewer(name, conversation, lambda: self._where(chance), self._history, chance, **how)


async def held(redis: Redis, conversation: Conversation) -> list[tuple[int, str]]:
    """The turns that the index has, by number and id."""
    key = ConversationKeys(LOCAL_OWNER, conversation.name).generations
    return [(int(number), id.decode()) for id, number in await redis.zrange(key, 0, -1, withscores=True)]


async def listed(http: httpx2.AsyncClient, url: str, conversation: Conversation) -> tuple[int, list[tuple[int, str]]]:
    """The turns that the API lists, and its status. Raises HTTPError."""
    turns: list[tuple[int, str]] = []
    before: dict[str, Any] = {}
    while True:
        answer = await http.get(f"{url}{conversation.path}", params={"limit": 3} | before)
        if answer.status_code != 200:
            return answer.status_code, []
        page = answer.json()
        turns += [(turn["number"], turn["id"]) for turn in page["generations"]]
        if page["next"] is None:
            return 200, turns[::-1]
        before = {"before": page["next"]}


def told(conversation: Conversation, found: list[tuple[int, str]], status: int, by_api: list[tuple[int, str]]) -> Turns:
    """What is held of a conversation, as a line of the history."""
    return Turns(
        at=time.time(), conversation=conversation.name, held=found, status=status,
        listed=by_api if status == 200 else None,
    )  # fmt: skip
