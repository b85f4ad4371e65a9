"""Looks that are shared: as few as can be, and none that was over when it was asked for."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError

from api.viewing.looks import Looks
from shared.generations.generations import Existence
from shared.generations.watchable import Watchable


class Reads:
    """Reads that take until they are let go; each finds another owner."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: list[asyncio.Future[None]] = []

    async def __call__(self, generation_id: str) -> Watchable:
        self.begun.append(generation_id)
        self.gates.append(asyncio.get_running_loop().create_future())
        number = len(self.begun)
        await self.gates[-1]
        return Watchable(Existence.RECORD, str(number))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_meanwhile_shares_the_next() -> None:
    reads = Reads()
    looks = Looks(reads)
    first = asyncio.create_task(looks.look("a"))
    await settled()
    more = [asyncio.create_task(looks.look("a")) for _ in range(100)]
    other = asyncio.create_task(looks.look("b"))
    await settled()
    assert reads.begun == ["a", "b"]
    reads.gates[0].set_result(None)
    await settled()
    assert reads.begun == ["a", "b", "a"]
    later = asyncio.create_task(looks.look("a"))
    await settled()
    reads.gates[2].set_result(None)
    await settled()
    assert reads.begun == ["a", "b", "a", "a"], "one that began before it was asked for is not enough"
    for gate in reads.gates[1:2] + reads.gates[3:]:
        gate.set_result(None)
    assert (await first).owner == "1"
    assert {(await one).owner for one in more} == {"3"}
    assert [(await one).owner for one in (other, later)] == ["2", "4"]
    assert not looks._next
    assert not looks._running


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    reads = Reads()
    looks = Looks(reads)
    tasks = [asyncio.create_task(looks.look("a")) for _ in range(3)]
    await settled()
    tasks[0].cancel()
    await settled()
    tasks[1].cancel()
    await settled()
    reads.gates[1].set_result(None)
    assert (await tasks[2]).owner == "2"
    assert not looks._running


async def test_an_error_is_told_to_all() -> None:
    gate = asyncio.get_running_loop().create_future()

    async def read(generation_id: str) -> Watchable:
        await gate
        raise ConnectionError

    looks = Looks(read)
    tasks = [asyncio.create_task(looks.look("a")) for _ in range(3)]
    nobodys = asyncio.create_task(looks.look("a"))
    await settled()
    nobodys.cancel()
    gate.set_result(None)
    for task in tasks:
        with pytest.raises(ConnectionError):
            await task
    assert not looks._running
