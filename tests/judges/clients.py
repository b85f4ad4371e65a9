"""Clients that we did not write, through connections that are cut at each byte of an answer.

`python -m tests.judges.clients` installs pinned packages of npm and PyPI into a temporary folder, starts
`midstream up`, and lets each client read a stream whole, read one that is slow and full of heartbeats, and resume after
a cut at each byte. Needs node, npm, java and curl. Exits with 1 where a client loses or doubles what it must not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e.proxy import CuttingProxy, cutting
from tests.judges.packages import Commands, install
from tests.mended.running import Running

MODEL = "simulator/lorem?deltas=3&rate=0&unicode=1"
SLOW = "simulator/lorem?deltas=4&rate=2&unicode=1"
KEY = "judged"
MESSAGES = [{"role": "user", "content": "hi"}]
AT_ONCE = 150
STAYS = 9.0
"""Seconds after the start in which a client that is not closed may ask again: three of the longest `retry`."""
PATIENCE = 25.0
EARLY = ("extended-eventsource", "@microsoft/fetch-event-source", "@fortaine/fetch-event-source")
"""These take an id at its line: a cut between that line's end and the blank line's costs them the event."""
BROKEN = ("@sentool/fetch-event-source", "eventsource1", "eventsource2", "sseclient")
"""Told, not judged: what it does wrong it does by itself (docs/protocol.md)."""

Event = tuple[str, str, str]


@dataclass
class Outcome:
    """What one client made of everything."""

    whole: list[Event] = field(default_factory=list)
    slow: list[Event] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """Cuts after which the event of this id was missing."""
    other: int = 0
    """Cuts after which an event came twice, out of order, or was none of the log's."""
    cuts: int = 0
    requests: int = 0
    """After the terminal event, where nobody closed the client."""
    stopped: bool = False


class Trial:
    """One client's program, which takes tasks as lines and answers with lines."""

    def __init__(self, command: list[str], folder: Path, post: dict[str, Any] | None) -> None:
        self._command, self._folder, self._post = command, folder, post
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        env = os.environ | {"POST_KEY": KEY, "POST_BODY": self._post["body"] if self._post else ""}
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**24
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            self._answers.pop(answer["name"]).set_result(answer)
        for waiting in self._answers.values():
            waiting.set_exception(RuntimeError(f"{self._command} ended"))

    async def follow(
        self, target: str, path: str, cuts: list[int], *, seconds: float = PATIENCE, stays: bool = False
    ) -> tuple[list[Event], bool, CuttingProxy]:
        """What it was given, whether it ended by itself, and the proxy that made the cuts."""
        async with self._places, cutting(target, cuts) as proxy:
            name = next(self._numbers)
            task = {
                "name": name,
                "url": proxy.url + path,
                "post": self._post,
                "seconds": round(seconds),
                "stays": stays,
            }
            waiting = self._answers[name] = asyncio.get_running_loop().create_future()
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            answer = await asyncio.wait_for(waiting, seconds + 20)
            return [(one, two, three) for one, two, three in answer["events"]], answer["itself"], proxy

    async def end(self) -> None:
        """No more tasks."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.wait([self._reading])


async def judge(trial: Trial, running: Running, paths: tuple[str, str], log: list[Event], step: int) -> Outcome:
    """All that is asked of one client."""
    path, slow = paths
    await trial.start()
    found = Outcome()
    size = len(raw(running, path, trial._post))
    slowly = asyncio.create_task(trial.follow(running.url, slow, []))

    async def cut(place: int) -> None:
        events, _, _ = await trial.follow(running.url, path, [place])
        events = [event for event in events if event[1] != "queued"]
        missing = [event for event in log if event not in events]
        found.lost.update(event[0] for event in missing)
        if events != [event for event in log if event not in missing]:
            found.other += 1
        found.cuts += 1

    await asyncio.gather(*(cut(place) for place in range(1, size + 1, step)))
    found.slow = (await slowly)[0]
    stay = trial.follow(running.url, path, [], seconds=STAYS, stays=True)
    found.whole, found.stopped, proxy = await stay
    found.requests = len(proxy.requests) - 1
    await trial.end()
    return found


def raw(running: Running, path: str, post: dict[str, Any] | None) -> bytes:
    """An answer as it stands on the wire, head and chunks included."""
    more = (*(f"-H{name}: {value}" for name, value in post["headers"].items()), "-d", post["body"]) if post else ()
    command = ["curl", "-sS", "--raw", "-i", "--max-time", "20", *more, running.url + path]
    return subprocess.run(command, check=True, capture_output=True).stdout


def events_of(running: Running, path: str) -> list[Event]:
    """The log, as it stands on the wire."""
    answer = running.call("GET", path).raw.decode().split("\n\n")
    found = []
    for block in answer[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        found.append((lines["id"], lines["event"], lines["data"]))
    return found


def row(name: str, found: Outcome, log: list[Event], slow: list[Event]) -> tuple[bool, list[str]]:
    """Whether that is well, and the line of the table."""
    kept = [[event for event in events if event[1] != "queued"] for events in (found.whole, found.slow)]
    exact = [events == expected for events, expected in zip(kept, (log, slow), strict=True)]
    most = max(found.lost.values(), default=0)
    good = all(exact) and not found.other and most <= (2 if name.removesuffix(" POST") in EARLY else 0)
    lost = f"{sum(found.lost.values())} lose one, at most {most} of an event" if most else "none lost"
    other = f"; {found.other} doubled or odd" if found.other else ""
    stops = found.stopped or found.requests <= 1
    after = "stops" if stops else f"asks on: {found.requests} times in {STAYS:.0f} s"
    words = ["exact" if one else "NOT EXACT" for one in exact]
    return good or name in BROKEN, [name, *words, f"{found.cuts} cuts: {lost}{other}", after]


async def run(data: Path, folder: Path, commands: Commands, transport: str, step: int, only: list[str]) -> int:
    """The table; 1 where a client lost what it must not."""
    env = {"MIDSTREAM_TRANSPORT": transport, "MIDSTREAM_HEARTBEAT": "0.1"}
    running = Running(data / "midstream", env=env)
    table = Table("client", "whole", "slow, with heartbeats", "cut at each byte", "after the end", title=transport)
    well = True
    try:
        body = json.dumps({"model": MODEL, "messages": MESSAGES})
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", "Idempotency-Key": KEY}
        ended = running.call("POST", "/v1/generations", body.encode(), {"Idempotency-Key": KEY}).document["id"]
        running.end(ended)
        path = f"/v1/generations/{ended}/events"
        log = events_of(running, path)
        for name, command in commands.items():
            if only and name not in only:
                continue
            slow = f"/v1/generations/{running.ask(SLOW)}/events"
            post = {"method": "POST", "headers": headers, "body": body} if name.endswith(" POST") else None
            paths = ("/v1/generations", "/v1/generations") if post else (path, slow)
            try:
                found = await judge(Trial(command, folder, post), running, paths, log, step)
                good, cells = row(name, found, log, log if post else events_of(running, slow))
            except (RuntimeError, TimeoutError) as error:
                good, cells = False, [name, f"{type(error).__name__}: {error}"]
            well = well and good
            table.add_row(*cells)
            print("good" if good else "BAD", *cells, sep=" | ", flush=True)
    finally:
        running.stop()
    Console(width=160).print(table)
    return 0 if well else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.judges.clients", description=__doc__)
    parser.add_argument("--transport", choices=("direct", "asgi"), default="direct")
    parser.add_argument("--step", type=int, default=1, help="bytes from one cut to the next (default: each)")
    parser.add_argument("--folder", type=Path, help="keep what is installed here (default: a temporary folder)")
    parser.add_argument("client", nargs="*", help="only these (default: all)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="midstream-clients-") as name:
        folder = (options.folder or Path(name) / "packages").absolute()
        commands = install(folder)
        return asyncio.run(run(Path(name), folder, commands, options.transport, options.step, options.client))


if __name__ == "__main__":
    sys.exit(main())
