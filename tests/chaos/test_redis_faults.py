"""Each fault of a Redis that the schedule draws is undone in the end, and written down."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.chaos.history import Fault, History, read
from tests.chaos.redis_faults import RedisFaults
from tests.chaos.rig import Rig
from tests.chaos.schedule import WEIGHTS
from tests.harness.server import FAKETIME

PATIENCE_S = 15.0


async def test_every_fault_of_the_schedule_is_undone_and_written_down(tmp_path: Path) -> None:
    """On servers alone: what a process makes of it is for chaos to find."""
    history = History(tmp_path / "history")
    clocks = bool(FAKETIME)
    rig = Rig(tmp_path, history, workers=0, apis=0, environment={}, replica=True, queue=True, clocks=clocks)
    async with rig:
        assert rig.replica is not None
        await rig.replica.follow(rig.redis)
        async with asyncio.timeout(PATIENCE_S):
            while not await rig.replica.keeps_up():
                await asyncio.sleep(0.02)
        faults = RedisFaults(rig, history, random.Random(1), lease=0.1, cut_aof=True)
        tried = set(faults.kinds) - {"redis_outage"} - (set() if clocks else {"redis_clock"})
        for kind in sorted(tried):
            await faults.kinds[kind](0.5)
            async with rig.redis.asked() as redis, asyncio.timeout(PATIENCE_S):
                await redis.set("after", kind)
    history.close()
    done = [line for line in read(tmp_path / "history") if isinstance(line, Fault)]
    assert {fault.what for fault in done} == tried
    assert all(fault.until is not None and fault.until >= fault.at for fault in done)
    assert set(faults.kinds) <= set(WEIGHTS)
