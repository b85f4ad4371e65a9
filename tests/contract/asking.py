"""API nodes without HTTP, which ask, lose connections and die, by a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from api.intake.retries import Asker, Retries
from shared.generations.generations import Generations
from shared.record import DialectName
from shared.storage.keys import GenerationKeys, api_node_key
from tests.contract.accepting import accept

BODY = b'{"model":"m","messages":[{"role":"user","content":"a-secret-prompt"}]}'
CLIENT = "OpenAI/Python 3.57.0"


class Time:
    """A clock that moves as somebody sleeps: each live node beats once a second of it, and Redis forgets the dead."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.nodes: list[Node] = []
        self.then: list[Callable[[], Awaitable[object]]] = []
        """What happens at the next sleeps, one at each."""
        self.slept = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass for who sleeps."""
        self.slept += seconds
        await self.pass_by(seconds)
        if self.then:
            await self.then.pop(0)()

    async def pass_by(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.1)
            for node in self.nodes:
                await node.live()


class Node:
    """An API node: alive until it is killed."""

    def __init__(self, generations: Generations, time: Time) -> None:
        self.generations = generations
        self.time = time
        self.retries = Retries(generations, clock=time.clock, sleep=time.sleep)
        self.alive = True
        self.beaten = 0.0
        self.notes: asyncio.Task[None] | None = None
        time.nodes.append(self)

    async def live(self) -> None:
        redis, name = self.generations.redis, self.retries.heartbeat.node
        if self.alive and self.time.now - self.beaten >= 0.999:
            self.beaten = self.time.now
            await self.retries.heartbeat.beat()
        elif self.time.now - self.beaten >= self.retries.heartbeat.life_s:
            await redis.delete(api_node_key(name))  # by its time

    def kill(self) -> None:
        """Kill it: it beats no more, and what it has not noted is lost."""
        self.alive = False
        if self.notes is not None:
            self.notes.cancel()

    async def begin(
        self,
        count: int | None = None,
        *,
        owner: str = "local",
        dialect: DialectName = "openai-chat",
        body: bytes = BODY,
        client: str = CLIENT,
    ) -> Asker:
        return await self.retries.begin(owner, dialect, body, client, None if count is None else str(count))

    async def ask(self, count: int | None = None, *, owner: str = "local", body: bytes = BODY) -> tuple[str, Asker]:
        """Ask as a route does; returns the generation that is answered from, and the asker."""
        asker = await self.begin(count, owner=owner, body=body)
        if asker.joined is not None:
            return asker.joined, asker
        generation_id = await accept(self.generations, owner=owner)
        await asker.accepted(generation_id)
        return generation_id, asker

    async def broke(self, asker: Asker) -> None:
        asker.broke()
        await self.noted()

    async def answered(self, asker: Asker) -> None:
        asker.answered()
        await self.noted()

    async def noted(self) -> None:
        async with asyncio.timeout(5):
            await self.retries.notes.kept()

    async def ended(self, generation_id: str, seconds_ago: float, state: str = "completed") -> None:
        """End a generation, as long ago as Redis' clock says."""
        seconds, _ = await self.generations.redis.time()
        fields = {"state": state, "seal": "9-9", "ended": int((seconds - seconds_ago) * 1000)}
        await self.generations.redis.hset(GenerationKeys(generation_id).record, mapping=fields)  # type: ignore[misc]


@asynccontextmanager
async def two_nodes(generations: Generations) -> AsyncIterator[tuple[Node, Node]]:
    """Two that have lived for some seconds, so that each would know a dead one."""
    time = Time()
    nodes = Node(generations, time), Node(generations, time)
    for node in nodes:
        node.notes = asyncio.create_task(node.retries.notes.run())
    await time.pass_by(5)
    try:
        yield nodes
    finally:
        for node in nodes:
            assert node.notes is not None
            node.notes.cancel()
            with suppress(asyncio.CancelledError):
                await node.notes
