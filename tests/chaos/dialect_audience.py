"""Clients of the dialects: they ask as SDKs do, watch, are cut off, and go on after the last event that they had."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import httpx2

from tests.chaos.audience import ANSWER, SILENCE, STAY
from tests.chaos.history import DialectView, Framed, History, Post, hashed
from tests.chaos.spoken import AGENT, RETRY_COUNT, Block, Spoken
from tests.e2e.viewers import Response

PATIENCE = 45.0
"""Seconds after which an answer that is not streamed is asked for again, as SDKs do after 600."""


class Question:
    """What is asked in a dialect, with the number of the next try: no key names it, as no SDK sends one."""

    def __init__(self, spoken: Spoken, post: Post, fields: dict[str, Any], history: History) -> None:
        self.spoken, self.post, self.history = spoken, post, history
        self.body = json.dumps(spoken.question() | fields).encode()
        self.tries = 0

    def head(self) -> str:
        """The head of the next try."""
        return (
            f"POST {self.spoken.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"User-Agent: {AGENT}\r\n{RETRY_COUNT}: {self.tries}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )

    def tried(self, api: str) -> Post:
        """The line of the next try."""
        return Post(
            at=0.0, key=self.post.key, api=api, sent=time.time(), text=self.post.text, dialect=self.spoken.name,
            retry=self.tries,
        )  # fmt: skip


class DialectViewer:
    """One client that wants a stream to its end. With a `question` it asks itself, and knows the `id` once answered."""

    def __init__(
        self,
        name: str,
        spoken: Spoken,
        where: Callable[[], tuple[str, str]],
        history: History,
        chance: random.Random,
        *,
        generation_id: str = "",
        question: Question | None = None,
    ) -> None:
        self.name, self.spoken, self.id = name, spoken, generation_id
        self.called = ""
        """What the answer that it has seen some of calls itself."""
        self.count = 0
        """How many events of that it has had."""
        self.ended = False
        self.answered = asyncio.Event()
        """Whether it has the id, or nothing more to ask for."""
        self._question, self._where, self._history, self._chance = question, where, history, chance
        self._connections = 0

    async def follow(self, restless: Callable[[], bool]) -> None:
        """Until the end, or until there is nothing to see. While `restless`, it also leaves without need."""
        while not self.ended:
            await self._connect(restless)
            if self.id:
                self.answered.set()
            if not self.ended:
                await asyncio.sleep(self._chance.uniform(0.02, 0.3))

    def give_up(self) -> None:
        """Record that it waits for something that does not come."""
        api, _ = self._where()
        view = self._begin(api)
        view.how, view.at = "hung", time.time()
        self._history.add(view)

    def _begin(self, api: str) -> DialectView:
        self._connections += 1
        return DialectView(
            at=0.0, viewer=self.name, connection=self._connections, id=self.id, dialect=self.spoken.name, api=api,
            sent=time.time(), events=[],
        )  # fmt: skip

    def _address(self, view: DialectView, *, restless: bool) -> str:
        """The request's target; now and then it goes further back than it must."""
        roll = self._chance.random()
        if not self.count or (restless and roll < 0.03):
            self.count, self.called = 0, ""
        elif restless and roll < 0.10:
            self.count = self._chance.randint(1, self.count)
        view.name = self.called or self.spoken.name_of(self.id)
        if self.count:
            view.after = self.count - 1
        after = "" if view.after is None else f"&starting_after={view.after}"
        return f"{self.spoken.path}/{view.name}?stream=true{after}"

    async def _connect(self, restless: Callable[[], bool]) -> None:
        api, url = self._where()
        view = self._begin(api)
        post = None
        if self.id:
            target = self._address(view, restless=restless())
            asked = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        else:
            assert self._question is not None
            post, asked = self._question.tried(api), self._question.head().encode() + self._question.body
            self._question.tries += 1
        how = "refused"
        try:
            async with asyncio.timeout(ANSWER):
                reader, writer = await asyncio.open_connection(httpx2.URL(url).host, httpx2.URL(url).port)
            try:
                writer.write(asked)
                async with asyncio.timeout(ANSWER):
                    response, headers = await answer(reader)
                view.status = response.status
                if response.status == 200:
                    view.id = self.id = headers["midstream-generation"]
                else:
                    view.code = code_of(await body_of(reader, headers))
                if post is not None:
                    self._tell(post, response.status, headers)
                    post = None
                if response.status == 200:
                    how = await self._read(response, view, restless)
            finally:
                writer.transport.abort()
        except (OSError, EOFError, ValueError, TimeoutError):
            how = "cut" if view.status == 200 else "refused"
        if post is not None:
            self._tell(post, None, {})
        view.how, view.at = how, time.time()
        self._history.add(view)
        self._decide(view)

    def _tell(self, post: Post, status: int | None, headers: dict[str, str]) -> None:
        post.status, post.id, post.at = status, headers.get("midstream-generation"), time.time()
        post.retry_after = "retry-after" in headers
        self._history.add(post)

    def _decide(self, view: DialectView) -> None:
        if view.code == "superseded":
            self.count, self.called = 0, ""
        elif view.status in (404, 410) and view.name:
            self.ended = True

    async def _read(self, response: Response, view: DialectView, restless: Callable[[], bool]) -> str:
        stays_until = time.time() + self._chance.expovariate(1 / STAY)
        read = 0
        while True:
            if restless() and time.time() > stays_until:
                return "left"
            try:
                async with asyncio.timeout(SILENCE):
                    more = await response.more()
            except TimeoutError:
                return "hung" if self.ended else "silent"
            *blocks, rest = bytes(response.body[read:]).split(b"\n\n")
            read = len(response.body) - len(rest)
            for block in blocks:
                self._see(view, self.spoken.read(block))
            if not more:
                return "end"

    def _see(self, view: DialectView, block: Block) -> None:
        if block.ping and not view.events and view.after is None:
            view.early += 1
        if block.framed is not None:
            view.beyond += view.marks > 0
            view.events.append(block.framed)
            self.count += 1
            self.called = self.called or block.framed.name
        view.marks += block.ends
        self.ended = self.ended or block.ends


class Waiter:
    """One client that asks for the whole answer, and again where it did not come."""

    def __init__(self, question: Question, where: Callable[[], tuple[str, str]], chance: random.Random) -> None:
        self._question, self._where, self._chance = question, where, chance
        self.ended = False

    async def ask(self) -> str | None:
        """Ask until there is an answer; the generation's id."""
        while True:
            api, url = self._where()
            post = self._question.tried(api)
            post.waits = True
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._try(url, post)
            except (OSError, EOFError, ValueError, TimeoutError):
                pass
            post.at = time.time()
            self._question.history.add(post)
            if post.id is not None:
                self.ended = True
                return post.id
            self._question.tries += 1
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    def give_up(self) -> None:
        """Record that it waits for an answer that does not come."""
        post = self._question.tried("")
        post.waits, post.status, post.at = True, -1, time.time()
        self._question.history.add(post)

    async def _try(self, url: str, post: Post) -> None:
        reader, writer = await asyncio.open_connection(httpx2.URL(url).host, httpx2.URL(url).port)
        try:
            writer.write(self._question.head().encode() + self._question.body)
            response, headers = await answer(reader)
            body = await body_of(reader, headers)
            post.status, post.retry_after = response.status, "retry-after" in headers
            post.id = headers.get("midstream-generation")
            if response.status == 200:
                said = json.loads(body)
                post.name, post.said = said["id"], hashed(self._question.spoken.whole_text(said).encode())
        finally:
            writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> tuple[Response, dict[str, str]]:
    """The head of an answer. Raises EOFError where the connection ends before."""
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Response(int(head.split()[1]), reader), headers


async def body_of(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """A body whose length is said."""
    return await reader.readexactly(int(headers["content-length"]))


def code_of(body: bytes) -> str:
    """What an error in any dialect's envelope is; Messages says it as its message alone."""
    error = json.loads(body)["error"]
    return "superseded" if "superseded" in json.dumps(error) else str(error.get("code") or error["type"])


async def read_whole(
    url: str, spoken: Spoken, generation_id: str
) -> tuple[int, list[Framed], list[dict[str, Any]], int]:
    """A stream from its start: status, events, what they say, and how often it said that it is whole.

    Raises OSError, EOFError, ValueError or TimeoutError where it did not come to its end.
    """
    events, said, marks = [], [], 0
    async with asyncio.timeout(SILENCE):
        reader, writer = await asyncio.open_connection(httpx2.URL(url).host, httpx2.URL(url).port)
        try:
            target = f"{spoken.path}/{spoken.name_of(generation_id)}?stream=true"
            writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            response, _ = await answer(reader)
            if response.status != 200:
                return response.status, [], [], 0
            body = await response.rest()
        finally:
            writer.transport.abort()
    for block in body.split(b"\n\n"):
        read = spoken.read(block)
        marks += read.ends
        if read.framed is not None and read.data is not None:
            events.append(read.framed)
            said.append(read.data)
    return 200, events, said, marks
