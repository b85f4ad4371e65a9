"""One client over one dialect: it is asked for things, and what it saw is held against what the simulator says."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from simulator.answer import Answer, compose
from simulator.request import Request
from simulator.script import parse_script
from tests.harness.proxy import Proxy
from tests.judges.sdks.clients import Client, Dialect
from tests.judges.sdks.program import Program, Seen
from tests.judges.sdks.target import KEY, PATHS, Target

PATIENCE: Final = 150.0
"""Seconds for one task: a silence of 20, what the client does before it, and a machine that is busy with others."""
TOOLS: Final = ("look_up", "book")
"""What the programs offer."""
PREFIXES: Final = {"chat": "chatcmpl-", "responses": "resp_", "messages": "msg_"}
ENDS: Final = {
    "chat": {"stop": "stop", "tool_calls": "tool_calls"},
    "responses": {"stop": "completed", "tool_calls": "completed"},
    "messages": {"stop": "end_turn", "tool_calls": "tool_use"},
}
_NUMBERS: Final = itertools.count(1)


def answer_of(model: str, prompt: str = "hi") -> Answer:
    """What the simulator says to it."""
    request = Request(model=model, stream=False, last_user=prompt, prompt_tokens=1, max_tokens=None, tools=TOOLS)
    return compose(parse_script(model), request, interleave=False)


class Row:
    """Complaints are collected: each says what was expected and what came."""

    def __init__(self, client: Client, dialect: Dialect, program: Program, target: Target) -> None:
        self.client, self.dialect, self.target = client, dialect, target
        self.complaints: list[str] = []
        self._program = program

    @property
    def path(self) -> str:
        """Where this dialect is asked."""
        return PATHS[self.dialect]

    def key(self) -> str:
        """A name for one request in the simulator's journal."""
        return f"k{next(_NUMBERS)}"

    async def does(self, do: str, model: str, prompt: str = "hi", **more: Any) -> Seen:
        """One task, and what the client saw of it."""
        task = {"do": do, "dialect": self.dialect, "model": model, "prompt": prompt}
        task |= {"url": self.target.url, "key": KEY, **self.client.options, **more}
        return await self._program.does(task, PATIENCE)

    @contextlib.asynccontextmanager
    async def proxy(self) -> AsyncIterator[Proxy]:
        """What can cut connections to the target."""
        host, port = self.target.url.removeprefix("http://").split(":")
        async with Proxy(self.client.name, (host, int(port))).listening() as proxy:
            yield proxy

    def check(self, good: bool, expected: object, came: object) -> None:
        """Complains unless it is good."""
        if not good:
            self.complaints.append(f"expected {expected}, came {_short(came)}")

    def whole(self, seen: Seen, model: str, *, prompt: str = "hi", do: str = "") -> None:
        """Complains unless the client saw the answer, all of it and nothing else, and took it for ended."""
        answer, where = answer_of(model, prompt), f"{do}: " if do else ""
        if seen["error"] is not None:
            self.check(False, f"{where}an answer", seen["error"])
            return
        self.check(seen["ended"], f"{where}an end", seen)
        self.check(seen["text"] == answer.text("text"), f"{where}text {answer.text('text')!r}", repr(seen["text"]))
        thought = answer.text("reasoning")
        # Some put a blank line between two parts of a summary, some a space.
        same = seen["reasoning"].split() == thought.split()
        self.check(same, f"{where}reasoning {thought!r}", repr(seen["reasoning"]))
        calls = [[call.name, answer.text("tool_call", n)] for n, call in enumerate(answer.calls)]
        came = [[name, arguments] for name, arguments in seen["calls"]]
        self.check(_parsed(calls) == came, f"{where}calls {calls}", came)
        self.check(seen.get("agrees", True), f"{where}a stream that says what its end repeats", seen["text"])
        self._facts(seen, model, answer, where)

    def _facts(self, seen: Seen, model: str, answer: Answer, where: str) -> None:
        usage = seen.get("usage")
        said = usage is None if self.client.framework else False
        counted = usage is not None and usage[1] == len(answer.deltas) and usage[0] >= 1
        self.check(said or counted, f"{where}usage of {len(answer.deltas)} tokens", usage)
        if self.client.framework:
            return
        self.check(seen["finish"] == ENDS[self.dialect][answer.finish], f"{where}{answer.finish}", seen["finish"])
        self.check(seen.get("model") in (model, None), f"{where}model {model}", seen.get("model"))
        named = seen["id"].startswith(PREFIXES[self.dialect])
        self.check(named, f"{where}an id {PREFIXES[self.dialect]}…", seen["id"])

    def refused(self, seen: Seen, status: int, kind: str, *, do: str = "") -> None:
        """Complains unless the client raised the class that its callers catch."""
        where = f"{do}: " if do else ""
        error = seen["error"] or {"class": "nothing", "classes": [], "status": None, "words": ""}
        by_class = kind in error["classes"]
        by_status = error["status"] == status
        good = by_class or by_status if self.client.framework else by_class and by_status
        self.check(good, f"{where}{kind} with {status}", {**error, "ended": seen["ended"]})

    def broken(self, seen: Seen, model: str, *, do: str = "") -> None:
        """Complains unless the client raised, with a beginning of the answer and no end.

        The event `response.failed` is an end of its own, which some SDKs hand on as they do every event.
        """
        where, text = f"{do}: " if do else "", answer_of(model).text("text")
        told = self.dialect == "responses" and seen.get("finish") == "failed"
        self.check(told or seen["error"] is not None, f"{where}an exception", seen)
        self.check(not seen["ended"], f"{where}no end", seen)
        self.check(text.startswith(seen["text"]) and seen["text"] != text, f"{where}a beginning", repr(seen["text"]))

    async def until_cut(self, proxy: Proxy, seconds: float) -> None:
        """Returns so long after a connection was made."""
        async with asyncio.timeout(PATIENCE):
            while not proxy.connections:
                await asyncio.sleep(0.02)
        await asyncio.sleep(seconds)


def _parsed(calls: list[list[str]]) -> list[list[Any]]:
    return [[name, json.loads(arguments)] for name, arguments in calls]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 400 else f"{text[:400]}…"
