"""Counts of viewers: each API node notes its own for a while, of a generation or of an owner, and reads the others'."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from shared.storage.keys import VIEWERS_CHANNEL
from shared.storage.lua_script import LuaScript

NOBODY = ""
"""The node that is none: all are others to it."""


class OtherNodes(NamedTuple):
    """What the other nodes have noted."""

    viewers: int
    left_ms: int
    """ms for which the last of their counts still counts, if nobody renews it; 0 where there is none."""


class ViewerCounts:
    """The counts under keys of one Redis. Methods raise redis.exceptions.RedisError.

    A count counts for `life_s` seconds, unless it is noted again: that of a node that has died is then gone.
    """

    _count = LuaScript("shared/generations/count_viewers.lua")

    def __init__(self, redis: Redis, life_s: float) -> None:
        self._redis = redis
        self.life_s = life_s

    async def note(self, node: str, counts: Mapping[str, int], tell: Sequence[str] = ()) -> list[OtherNodes]:
        """Notes a node's count under each key in one round trip; returns for each what the other nodes have.

        `tell` names generations whose viewers every node is to count.
        """
        return await self._run(node, [(key, str(count)) for key, count in counts.items()], tell)

    async def look(self, keys: Sequence[str], node: str = NOBODY) -> list[OtherNodes]:
        """Returns what all nodes but this one have noted under each key."""
        return await self._run(node, [(key, "") for key in keys]) if keys else []

    async def _run(self, node: str, counts: Sequence[tuple[str, str]], tell: Sequence[str] = ()) -> list[OtherNodes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, count in counts:
                self._count.queue(pipe, [key], [node, count, round(self.life_s * 1000)])
            if tell:
                pipe.publish(VIEWERS_CHANNEL, " ".join(tell))
            answers = await pipe.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._count.load(self._redis)
            return await self._run(node, counts, tell)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [OtherNodes(*answer) for answer in answers[: len(counts)]]
