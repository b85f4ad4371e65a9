"""Which generation a retry joins: the newest whose asker's connection has surely broken."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from api.intake.asker_notes import AskerNotes
from api.intake.heartbeat import Heartbeat
from shared.generations.api_nodes import ApiNodes
from shared.generations.askers import Askers, NotedAsker

LOOK_S = 0.1
"""Seconds between two looks at what is not decided yet."""
MORE_THAN_LIFE_S = 1.0
"""Seconds for which a retry waits longer than a beat counts: then a node has beaten, or has died."""


class Joining:
    """Finds the generation of a retry, and takes its asker's place."""

    def __init__(
        self,
        askers: Askers,
        nodes: ApiNodes,
        heartbeat: Heartbeat,
        notes: AskerNotes,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._askers = askers
        self._nodes = nodes
        self._heartbeat = heartbeat
        self._notes = notes
        self._clock = clock
        self._sleep = sleep

    @property
    def longest_s(self) -> float:
        """Returns the seconds for which a retry waits at most."""
        return self._heartbeat.life_s + MORE_THAN_LIFE_S

    async def join(self, digest: str, count: int, name: str) -> NotedAsker | None:
        """Returns the retry as the asker of the generation that it has joined; None where there is none to join.

        An asker whose connection is noted as there has lost it where its node has died. Whether it has is known when
        the node's next beat comes, or its last one is over; the retry waits for that. Raises
        redis.exceptions.RedisError.
        """
        until = self._clock() + self.longest_s
        first: dict[str, bytes | None] = {}
        """The beats of nodes as the retry met them."""
        while True:
            # Before the askers: what broke before a beat has been noted by then.
            beats = await self._nodes.beats({*first, self._heartbeat.node})
            waiting = await self._askers.waiting(digest, count)
            waits = False
            for asker in waiting:
                lost = self._lost(asker, first, beats)
                if lost:
                    retry = asker.joined(name, count)
                    if await self._take(digest, asker, retry):
                        return retry
                    waits = True  # it has changed since it was read: look again
                    break
                if lost is None and self._clock() < until:
                    waits = True
                    break
            if not waits:
                return None
            unknown = {asker.node for asker in waiting if asker.state == "connected"} - first.keys()
            first |= await self._nodes.beats(unknown)
            if not unknown:
                await self._sleep(LOOK_S)

    def _lost(self, asker: NotedAsker, first: dict[str, bytes | None], beats: dict[str, bytes | None]) -> bool | None:
        """Says whether an asker has lost its connection; None where that is not known yet."""
        if asker.state == "broken":
            return True
        if asker.node not in first:
            return None
        beat = beats[asker.node]
        if beat is None:
            # Unless Redis has forgotten this node as well, which lives.
            return True if self._heartbeat.steady and beats[self._heartbeat.node] is not None else None
        return False if beat != first[asker.node] else None

    async def _take(self, digest: str, asker: NotedAsker, retry: NotedAsker) -> bool:
        try:
            return await self._askers.join(digest, asker, retry)
        except BaseException:
            # It may have joined all the same, without anybody who knows: so another retry may.
            self._notes.put(digest, replace(retry, state="broken"))
            raise
