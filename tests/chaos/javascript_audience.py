"""People whose programs use the JavaScript client: one Node.js process for all of them (javascript/followers.mjs)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from midstream.processes.parent_death import ending_with_parent
from tests.chaos.audience import SILENCE, STAY
from tests.chaos.conversations import AWAY, Conversation
from tests.chaos.history import AnyLine, History

PROGRAM = Path(__file__).parent / "javascript" / "followers.mjs"
NODE = 20
"""The oldest Node.js that the client is for."""
LONGEST = 2**26
"""Bytes of a line: a connection with all that came over it."""
PAUSE = 0.02, 0.3
POLL_S = 0.1


class JavascriptPeople:
    """The process: `async with` starts it. It is told who does what, and tells lines of the history."""

    def __init__(self, history: History, seed: int, apis: Mapping[str, str]) -> None:
        self.history, self._seed, self._apis = history, seed, dict(apis)
        self._done: dict[str, asyncio.Future[None]] = {}
        self._accepted: dict[str, asyncio.Future[str]] = {}
        self._decoder: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)

    async def __aenter__(self) -> Self:
        node = shutil.which("node")
        assert node is not None, "Node.js is not installed"
        self._process = await asyncio.create_subprocess_exec(
            *ending_with_parent([node, str(PROGRAM)]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST,
        )
        self._reading = asyncio.create_task(self._read())
        self.tell("begin", apis=self._apis, silence=SILENCE * 1000)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(SILENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    def tell(self, what: str, **fields: Any) -> None:
        """One command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what} | fields).encode() + b"\n")

    async def let(self, what: str, viewer: str, **fields: Any) -> None:
        """Let somebody do something, to its end. Raises RuntimeError where the client does what no client may."""
        self._done[viewer] = asyncio.get_running_loop().create_future()
        self.tell(what, viewer=viewer, seed=self._seed, **({"stay": STAY, "pause": PAUSE} | fields))
        await self._done[viewer]

    async def accepted(self, viewer: str) -> str:
        """The id of what somebody asked for, once they know it."""
        return await self._accepted.setdefault(viewer, asyncio.get_running_loop().create_future())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            said = json.loads(text)
            match said["kind"]:
                case "done":
                    done = self._done[said["viewer"]]
                    if done.done():  # who waited for it was given up meanwhile
                        continue
                    if error := said.get("error"):
                        done.set_exception(RuntimeError(f"{said['viewer']}: {error}"))
                    else:
                        done.set_result(None)
                case "accepted":
                    known = self._accepted.setdefault(said["viewer"], asyncio.get_running_loop().create_future())
                    if not known.done():
                        known.set_result(said["id"])
                case "asked":
                    pass  # a connection that nothing was followed on
                case _:
                    self.history.add(self._decoder.decode(text))
        for future in self._done.values():
            if not future.done():
                future.set_exception(RuntimeError("the process of the JavaScript clients has ended"))


class JavascriptViewer:
    """One person who wants to see one generation to its end, with the JavaScript client."""

    def __init__(self, people: JavascriptPeople, name: str, generation_id: str) -> None:
        self.name, self.id = name, generation_id
        self._people = people

    async def follow(self, restless: Callable[[], bool]) -> None:
        """Until the end, or until there is nothing to see."""
        await self._people.let("follow", self.name, id=self.id)

    def give_up(self) -> None:
        """Record that it waits for something that does not come."""
        self._people.tell("give_up", viewer=self.name)


class JavascriptAsker(JavascriptViewer):
    """One person who asks with the JavaScript client, and reads on in the answer."""

    def __init__(self, people: JavascriptPeople, name: str, **asked: Any) -> None:
        super().__init__(people, name, "")
        self._asked = asked

    async def follow(self, restless: Callable[[], bool]) -> None:
        await self._people.let("ask", self.name, **self._asked)

    async def accepted(self) -> str:
        """The generation's id, once it is known."""
        return await self._people.accepted(self.name)


class JavascriptFollower(JavascriptViewer):
    """One person who follows a conversation with the JavaScript client: its stream, or open as a page has it."""

    def __init__(
        self, people: JavascriptPeople, name: str, conversation: Conversation, *, opens: bool = False, **how: Any
    ) -> None:
        super().__init__(people, name, conversation.name)
        self._conversation, self._opens, self._how = conversation, opens, how

    async def follow(self, restless: Callable[[], bool]) -> None:
        telling = asyncio.create_task(self._tell_what_there_is())
        try:
            what = "open" if self._opens else "converse"
            await self._people.let(what, self.name, conversation=self._conversation.name, **self._how)
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _tell_what_there_is(self) -> None:
        told = None
        while True:
            known = sorted(self._conversation.wanted), self._conversation.deleted
            if self._conversation.is_full and known != told:
                told = known
                self._people.tell("wanted", viewer=self.name, turns=known[0], deleted=known[1])
            await asyncio.sleep(POLL_S)


def followers(people: JavascriptPeople, conversation: Conversation) -> list[JavascriptFollower]:
    """One who stays, one who is away in between, and one who has it open."""
    name = conversation.name
    return [
        JavascriptFollower(people, f"{name} steady, javascript", conversation, stay=20.0),
        JavascriptFollower(people, f"{name} away, javascript", conversation, **AWAY),
        JavascriptFollower(people, f"{name} open, javascript", conversation, opens=True, stay=5.0),
    ]
