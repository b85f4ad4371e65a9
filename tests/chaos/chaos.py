"""Break a running Midstream for a while, then judge what happened: `python -m tests.chaos --seconds 60`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import Checker, Violation, say
from tests.chaos.evidence import Evidence
from tests.chaos.figures import summary
from tests.chaos.history import History, Setup, read
from tests.chaos.javascript_audience import JavascriptPeople
from tests.chaos.load import Load
from tests.chaos.redis_faults import JUMP
from tests.chaos.rig import Rig
from tests.chaos.schedule import WEIGHTS, Schedule
from tests.chaos.undisturbed import needless
from tests.conftest import forget_environment
from tests.harness.server import FAKETIME

KINDS = frozenset(kind for kind in WEIGHTS if FAKETIME or kind != "redis_clock")
"""What can be done here; without libfaketime no clock can jump."""
CLIENTS = ("raw", "javascript")
SAMPLES = 10.0
"""Seconds between two looks at what the processes use."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does, and for how long. Times in seconds."""

    seconds: float = 60.0
    seed: int = 1
    workers: int = 3
    apis: int = 2
    running: int = 12
    """Generations at a time."""
    viewers: int = 2
    """Viewers of each."""
    lease: float = 2.0
    pace: float = 3.0
    """Mean time between two faults."""
    kinds: frozenset[str] = KINDS
    cut_aof: bool = False
    ttl: float = 86_400.0
    most: int | None = None
    """Generations in all; None leaves it to the time."""
    patience: float = 180.0
    """What everything has to end once nothing is broken any more."""
    clients: str = "raw"
    """What viewers use: sockets and a parser of their own (`raw`), or a client of clients/ (CLIENTS)."""


Breaking = Callable[[asyncio.Event], Awaitable[None]]
"""Breaks things until the event is set, and makes all of them whole."""


async def run(plan: Plan, folder: Path) -> None:
    """Start everything, load it and break it; the history is in `folder`/history."""
    history = History(folder / "history")
    rig = Rig(
        folder, history, workers=plan.workers, apis=plan.apis, environment=environment(plan),
        replica="redis_failover" in plan.kinds, clocks="redis_clock" in plan.kinds,
        queue=any(kind.startswith("queue_") for kind in plan.kinds),
    )  # fmt: skip
    schedule = Schedule(
        rig, history, plan.seed, pace=plan.pace, lease=plan.lease, kinds=set(plan.kinds), cut_aof=plan.cut_aof,
        seconds=plan.seconds,
    )  # fmt: skip
    await load(plan, rig, history, schedule.run)


def environment(plan: Plan) -> dict[str, str]:
    """The settings of a run."""
    return {
        "MIDSTREAM_LEASE": f"{plan.lease:g}",
        "MIDSTREAM_HEARTBEAT": "2",
        "MIDSTREAM_REDIS_TIMEOUT": "2",
        "MIDSTREAM_SILENCE_TIMEOUT": "3",
        "MIDSTREAM_VIEWER_STALL": "10",
        "MIDSTREAM_TOMBSTONE_TTL": f"{_tombstone(plan):g}",
    }


async def load(plan: Plan, rig: Rig, history: History, breaking: Breaking) -> None:
    """Start a rig, ask it for generations while it is broken, and write down what became of them."""
    async with rig:
        names = [process.name for process in rig.workers], [process.name for process in rig.apis]
        history.add(
            Setup(
                at=time.time(),
                seed=plan.seed,
                lease=plan.lease,
                workers=names[0],
                apis=names[1],
                known=plan.ttl + _tombstone(plan),
            )
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(history.close)
            people = None
            if plan.clients == "javascript":
                people = JavascriptPeople(history, plan.seed, {api.name: rig.front(api) for api in rig.apis})
                await stack.enter_async_context(people)
            users = Load(
                rig, history, plan.seed, running=plan.running, viewers=plan.viewers, ttl=plan.ttl, most=plan.most,
                people=people,
            )  # fmt: skip
            stack.push_async_callback(users.aclose)
            await users.learn()
            await _for_a_while(plan, rig, users, breaking, history)
            await users.collect()


def _tombstone(plan: Plan) -> float:
    return max(plan.ttl, 300.0)


async def _for_a_while(plan: Plan, rig: Rig, users: Load, breaking: Breaking, history: History) -> None:
    over, calm = asyncio.Event(), asyncio.Event()

    async def until_calm() -> None:
        await breaking(over)
        calm.set()

    async def looking() -> None:
        while True:
            for used in rig.used(await users.outcomes.keys()):
                history.add(used)
            await asyncio.sleep(SAMPLES)

    async with asyncio.TaskGroup() as group:
        group.create_task(until_calm())
        sampling = group.create_task(looking())
        loading = group.create_task(users.run(calm, plan.patience))
        asked = group.create_task(users.asked_all.wait())
        await asyncio.wait({loading, asked}, timeout=plan.seconds, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        await asyncio.wait({loading})
        sampling.cancel()
        asked.cancel()


def judge(folder: Path) -> tuple[list[Violation], Evidence, Checker]:
    """Read a run's history and apply the rules."""
    evidence = Evidence(read(folder / "history"))
    checker = Checker(evidence)
    return checker.check(), evidence, checker


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument("--seed", type=int, default=Plan.seed, help="the same seed gives the same sequence of faults")
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--apis", type=int, default=Plan.apis)
    parser.add_argument("--running", type=int, default=Plan.running, help="generations at a time")
    parser.add_argument("--viewers", type=int, default=Plan.viewers, help="viewers of each generation")
    parser.add_argument("--lease", type=float, default=Plan.lease)
    parser.add_argument("--pace", type=float, default=Plan.pace, help="mean seconds between two faults")
    parser.add_argument("--faults", default=",".join(KINDS), help="kinds of fault, separated by commas; all without")
    parser.add_argument("--without", default="", help="kinds of fault that are left out")
    parser.add_argument("--cut-aof", action="store_true", help="a killed Redis also loses up to its last second")
    parser.add_argument("--ttl", type=float, default=Plan.ttl, help="seconds a log is kept after its end")
    parser.add_argument("--most", type=int, help="generations in all")
    parser.add_argument("--clients", choices=CLIENTS, default=Plan.clients, help="what viewers use")
    parser.add_argument("--needless", type=int, help="fail with more attempts that nothing explains than this")
    parser.add_argument("--folder", type=Path, help="where to keep the history; else it is kept on failure only")
    found = parser.parse_args(words)
    left_out = set(found.without.split(",")) - {""}
    if unknown := (set(found.faults.split(",")) | left_out) - KINDS:
        parser.error(f"no such fault here: {', '.join(sorted(unknown))}; there are {', '.join(sorted(KINDS))}")
    found.kinds = frozenset(found.faults.split(",")) - left_out
    if "redis_clock" in found.kinds and found.ttl <= 2 * JUMP:
        parser.error(f"a clock that jumps by {JUMP} s needs a --ttl beyond two of its jumps, or --without redis_clock")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Run, judge, and print the figures; gives the exit status."""
    asked = arguments(words)
    plan = Plan(
        seconds=asked.seconds, seed=asked.seed, workers=asked.workers, apis=asked.apis, running=asked.running,
        viewers=asked.viewers, lease=asked.lease, pace=asked.pace, kinds=asked.kinds,
        cut_aof=asked.cut_aof, ttl=asked.ttl, most=asked.most, clients=asked.clients,
    )  # fmt: skip
    forget_environment()  # settings of this machine change no outcome here either
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="midstream-chaos-"))
    asyncio.run(run(plan, folder))
    violations, evidence, checker = judge(folder)
    for name, value in summary(evidence, checker):
        print(f"{name}: {value}")
    extra = needless(evidence)
    failed = bool(violations) or (asked.needless is not None and len(extra) > asked.needless)
    print(say(violations) if violations else "every promise was kept")
    if failed:
        print(f"the history is in {folder}", file=sys.stderr)
    elif asked.folder is None:
        shutil.rmtree(folder)
    return int(failed)
