"""Honest users beside a crowd, hostile and harmless in turns: `python -m tests.chaos.hostile --seconds 240`.

Nothing is broken. What the honest ones are promised is judged as in chaos; how long they wait is told for both crowds,
which have as many connections and bytes, from one run.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.chaos.chaos import Plan, environment, judge, load
from tests.chaos.checker import Violation, say
from tests.chaos.evidence import Evidence
from tests.chaos.figures import summary
from tests.chaos.history import Fault, History
from tests.chaos.rig import Rig
from tests.conftest import forget_environment
from tests.harness.repository import ROOT

TURN = 30.0
"""Seconds of one crowd."""
BEGIN = 3.0
"""Seconds of a turn that do not count: the crowd comes, and the one before goes."""
CROWDS = ("harmless", "hostile")


class Waits(NamedTuple):
    """Of the honest ones, in s: for the 202, and for an event from its write on."""

    posts: list[float]
    events: list[float]


class Turns:
    """One crowd after the other, each a process of its own, and in the history as something done to nobody."""

    def __init__(self, rig: Rig, history: History, turn: float) -> None:
        self._rig, self._history, self._turn = rig, history, turn

    async def run(self, over: asyncio.Event) -> None:
        """Until the event is set; the last turn is ended then."""
        generation = await self._ended()
        while not over.is_set():
            for crowd in CROWDS:
                if not over.is_set():
                    await self._one(crowd, generation, over)

    async def _one(self, crowd: str, generation: str, over: asyncio.Event) -> None:
        addresses = [f"127.0.0.1:{api.port}" for api in self._rig.apis]
        words = ["-m", "tests.chaos.crowd", crowd, generation, *addresses]
        with self._history.fault(crowd, "nobody"):
            process = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT)
            try:
                async with asyncio.timeout(self._turn):
                    await over.wait()
            except TimeoutError:
                pass
            finally:
                assert process.returncode is None, f"the {crowd} crowd has ended by itself"
                process.kill()
                await process.wait()

    async def _ended(self) -> str:
        """A generation that has ended, for viewers to look at."""
        body = {"model": "simulator/lorem?deltas=200&rate=0", "messages": [{"role": "user", "content": "Go."}]}
        async with httpx2.AsyncClient(timeout=20.0, trust_env=False, base_url=self._rig.apis[0].url) as http:
            path = (await http.post("/v1/generations", json=body)).headers["location"]
            while (await http.get(path)).json()["state"] != "completed":
                await asyncio.sleep(0.05)
        return str(path.rpartition("/")[2])


def waits(evidence: Evidence, crowd: str) -> Waits:
    """What the honest ones waited beside this crowd."""
    turns = [fault for fault in evidence.faults if fault.what == crowd]
    written = {
        (append.id, f"{append.token}-{append.first + place}"): append.sent
        for append in evidence.appends
        for place in range(len(append.events))
    }
    posts = [post.at - post.sent for post in evidence.posts if post.status == 202 and _within(turns, post.sent)]
    events = []
    for view in (view for views in evidence.viewers.values() for view in views):
        for event in view.events:
            sent = written.get((view.id, event.id))
            # What was written before it came is a replay.
            if sent is not None and sent > view.sent + BEGIN / 10 and _within(turns, sent):
                events.append(event.at - sent)
    return Waits(posts, events)


def _within(turns: Sequence[Fault], at: float) -> bool:
    return any(turn.at + BEGIN < at < (turn.until or turn.at) for turn in turns)


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]


def told(evidence: Evidence) -> Iterator[str]:
    """The figures, one line for each thing that is waited for."""
    both = {crowd: waits(evidence, crowd) for crowd in CROWDS}
    for name in Waits._fields:
        seconds = {crowd: getattr(both[crowd], name) for crowd in CROWDS}
        ms = {crowd: p99(found) * 1000 for crowd, found in seconds.items()}
        counted = ", ".join(f"{crowd} {ms[crowd]:.0f} ms (n={len(seconds[crowd])})" for crowd in CROWDS)
        yield f"p99 of {name}: {counted}, {ms['hostile'] / ms['harmless']:.2f} times"


async def run(seconds: float, turn: float, folder: Path) -> list[Violation]:
    """The run, judged."""
    plan = Plan(seconds=seconds, seed=22, workers=2, running=8, kinds=frozenset())
    history = History(folder / "history")
    rig = Rig(folder, history, workers=plan.workers, apis=plan.apis, environment=environment(plan))
    await load(plan, rig, history, Turns(rig, history, turn).run)
    violations, evidence, checker = judge(folder)
    for name, value in summary(evidence, checker):
        print(f"{name}: {value}")
    for line in told(evidence):
        print(line)
    return violations


def main(words: Sequence[str] | None = None) -> int:
    """Run, judge, and print the figures; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--turn", type=float, default=TURN, help="seconds of one crowd")
    parser.add_argument("--folder", type=Path, help="where to keep the history")
    asked = parser.parse_args(words)
    forget_environment()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="midstream-hostile-") as temporary:
        violations = asyncio.run(run(asked.seconds, asked.turn, asked.folder or Path(temporary)))
    print(say(violations) if violations else "every promise was kept", f"({time.monotonic() - began:.0f} s)")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
