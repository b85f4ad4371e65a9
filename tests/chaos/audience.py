"""Viewers that come and go: each remembers what it saw, resumes somewhere else, and follows to the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import httpx2

from tests.chaos.history import History, Seen, View, hashed
from tests.e2e.viewers import Response

TERMINAL = ("completed", "failed", "cancelled")
ANSWER = 10.0
"""Seconds for a connection and its status line."""
SILENCE = 10.0
"""Seconds without a byte after which a connection is given up, as a client would: heartbeats come far more often."""
STAY = 1.5
"""Seconds that a viewer stays on average before it leaves by itself."""


class Viewer:
    """One person who wants to see one generation to its end, whatever happens to the connection.

    `where` gives, at each connection, the name and the root of the API to ask.
    """

    stay = STAY
    pause = 0.02, 0.2
    """Seconds from one connection to the next: the least and the most."""

    def __init__(
        self,
        name: str,
        generation_id: str,
        where: Callable[[], tuple[str, str]],
        history: History,
        chance: random.Random,
    ) -> None:
        self.name, self.id = name, generation_id
        self.seen: list[Seen] = []
        self.ended = False
        self._where, self._history, self._chance = where, history, chance
        self._connections = 0
        self._view: View | None = None

    async def follow(self, restless: Callable[[], bool]) -> None:
        """Until the end, or until there is nothing to see. While `restless`, it also leaves without need."""
        while not self.ended:
            await self._connect(restless)
            if not self.ended:
                await asyncio.sleep(self._chance.uniform(*self.pause))

    @property
    def path(self) -> str:
        """What it follows."""
        return f"/v1/generations/{self.id}/events"

    def give_up(self) -> None:
        """Record that it waits for something that does not come."""
        api, _ = self._where()
        self._record(self._begin(api, self._cursor(False)), "hung")

    def _begin(self, api: str, cursor: str) -> View:
        self._connections += 1
        invented = bool(cursor) and cursor not in {event.id for event in self.seen}
        return View(
            at=0.0, viewer=self.name, connection=self._connections, id=self.id, api=api, cursor=cursor,
            sent=time.time(), invented=invented, events=[],
        )  # fmt: skip

    def _record(self, view: View, how: str) -> None:
        view.how, view.at = how, time.time()
        self._history.add(view)
        self._view = None

    def _cursor(self, restless: bool) -> str:
        ids = [event.id for event in self.seen if event.id]
        roll = self._chance.random()
        if restless and roll < 0.02:
            return self._invented(ids[-1] if ids else "")
        if restless and ids and roll < 0.10:
            return self._chance.choice(ids)
        return "" if (restless and roll < 0.13) or not ids else ids[-1]

    def _invented(self, newest: str) -> str:
        """A cursor that there never was."""
        token, _, seq = (newest or "1-0").partition("-")
        return f"{int(token) - 1}-{seq}"

    async def _connect(self, restless: Callable[[], bool]) -> None:
        api, url = self._where()
        view = self._view = self._begin(api, self._cursor(restless()))
        how = "refused"
        try:
            async with asyncio.timeout(ANSWER):
                reader, writer = await asyncio.open_connection(httpx2.URL(url).host, httpx2.URL(url).port)
            try:
                async with asyncio.timeout(ANSWER):
                    response = await self._ask(reader, writer, view.cursor)
                view.status = response.status
                if response.status == 200:
                    how = await self._read(response, view, restless)
            finally:
                writer.transport.abort()
        except (OSError, EOFError, ValueError, TimeoutError):
            how = "cut" if view.status == 200 else "refused"
        finally:
            self._record(view, how)
        self.ended = self.ended or self._is_over(view)

    def _is_over(self, view: View) -> bool:
        """Whether there is nothing more to see, whatever it has seen."""
        return view.status in (204, 404, 410)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cursor: str) -> Response:
        resume = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return Response(int(head.split()[1]), reader)

    async def _read(self, response: Response, view: View, restless: Callable[[], bool]) -> str:
        """Read to the end, or until it has had enough; how it ended."""
        if view.invented or not view.cursor:
            self.seen = []
        else:
            self.seen = self.seen[: next(i for i, event in enumerate(self.seen) if event.id == view.cursor) + 1]
        stays_until = time.time() + self._chance.expovariate(1 / self.stay)
        read = 0
        while True:
            if (restless() and time.time() > stays_until) or self._has_enough():
                return "left"
            try:
                async with asyncio.timeout(SILENCE):
                    more = await response.more()
            except TimeoutError:
                return "hung" if self.ended else "silent"
            *blocks, rest = bytes(response.body[read:]).split(b"\n\n")
            read = len(response.body) - len(rest)
            for block in blocks:
                self._see(view, block)
            if not more:
                return "end"

    def _has_enough(self) -> bool:
        """Whether it has seen all that it wants, of a stream that does not end by itself."""
        return False

    def _see(self, view: View, block: bytes) -> None:
        fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
        if b"data" not in fields:
            return
        event = Seen(fields.get(b"id", b"").decode(), fields[b"event"].decode(), hashed(fields[b"data"]), time.time())
        view.events.append(event)
        if event.type == "reset":
            self.seen = []
        elif event.id:
            self.seen.append(event)
        self.ended = self.ended or event.type in TERMINAL
