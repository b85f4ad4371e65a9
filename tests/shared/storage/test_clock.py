"""Redis' clock is set and Redis restarts: for how long its word has been good is told by neither's own count."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from shared.storage.clock import SLOW_ANSWER_S, UPTIME_ERROR_MS, ServerClock, read_clock, read_server, seen_ms


class Machine:
    """A Redis and the process that asks it, on clocks that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic = 1_000.0
        self.wall = 1_700_000_000.0
        self.uptime = 3_600.0
        self.run_id: str | None = uuid.uuid4().hex
        self.answers_in = 0.0
        self.hides_info = False
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds
        self.uptime += seconds

    def set_clock(self, seconds: float) -> None:
        """Its uptime goes by its clock."""
        self.wall += seconds
        self.uptime += seconds

    def restarts(self) -> None:
        self.run_id, self.uptime = uuid.uuid4().hex, 0.0

    async def time(self) -> tuple[int, int]:
        self.passes(self.answers_in)
        return int(self.wall), int(self.wall % 1 * 1_000_000)

    async def info(self, _: str) -> dict[str, Any]:
        if self.hides_info:
            raise NoPermissionError("this user has no permissions to run the 'info' command")
        return {"uptime_in_seconds": int(self.uptime)} | ({"run_id": self.run_id} if self.run_id else {})

    async def up(self) -> float:
        """Seconds for which its word is good."""
        return (await read_clock(self))[1] / 1000  # type: ignore[arg-type]

    async def server(self) -> ServerClock:
        return await read_server(self)  # type: ignore[arg-type]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def test_at_first_it_is_believed(machine: Machine) -> None:
    """Less one second, as it counts whole ones."""
    assert await machine.up() == 3_599
    machine.passes(10)
    assert await machine.up() == 3_609
    assert (await machine.server()).now_ms == machine.wall * 1000


async def test_one_that_is_primary_again_counts_from_then(machine: Machine) -> None:
    """A fail-over there and back, of servers that went on: the last writes of the one between may be lost."""
    first = machine.run_id
    await machine.up()
    machine.passes(100)
    machine.run_id = uuid.uuid4().hex
    assert await machine.up() == 0
    machine.passes(100)
    machine.run_id = first
    assert await machine.up() == 0
    machine.passes(3)
    assert await machine.up() == 3


async def test_one_that_was_set_back_before_we_came_is_believed_in_time(machine: Machine) -> None:
    machine.set_clock(-7_200)
    assert await machine.up() == 0
    machine.passes(5)
    assert await machine.up() == 5


@pytest.mark.parametrize("seconds", [-600, 600, -3, 3])
async def test_a_clock_that_is_set_counts_from_then(machine: Machine, seconds: float) -> None:
    await machine.up()
    machine.set_clock(seconds)
    assert await machine.up() == 0
    machine.passes(7)
    assert await machine.up() == 7


async def test_a_clock_that_drifts_was_not_set(machine: Machine) -> None:
    await machine.up()
    for _ in range(20):
        machine.set_clock(0.5)
        assert await machine.up() > 3_000


async def test_an_answer_that_takes_long_says_nothing_of_the_clock(machine: Machine) -> None:
    await machine.up()
    machine.answers_in = 5
    assert await machine.up() > 3_000
    machine.answers_in = SLOW_ANSWER_S / 2
    assert await machine.up() > 3_000
    machine.set_clock(-600)
    assert await machine.up() == 0


async def test_a_restart_counts_from_when_it_is_seen(machine: Machine) -> None:
    """Although its clock says that it has been up for long: it was set since."""
    first = await machine.server()
    machine.restarts()
    machine.set_clock(600)
    second = await machine.server()
    assert (second.up_ms, second.run_id == first.run_id) == (0, False)
    machine.passes(3)
    assert await machine.up() == 3
    assert seen_ms(await machine.info("server")) == 3_000


async def test_what_was_never_seen_is_not_known(machine: Machine) -> None:
    assert seen_ms(await machine.info("server")) is None
    assert seen_ms({}) is None


async def test_without_a_run_id_its_uptime_counts(machine: Machine) -> None:
    machine.run_id, machine.uptime = None, 12.0
    assert await machine.server() == ServerClock(int(machine.wall * 1000), 11_000, None)


async def test_without_info_it_has_been_up_for_ever(machine: Machine) -> None:
    machine.hides_info = True
    assert await machine.server() == ServerClock(int(machine.wall * 1000), sys.maxsize, None)


async def test_it_is_young_until_it_has_been_up_for_as_long(machine: Machine) -> None:
    await machine.server()
    machine.restarts()
    server = await machine.server()
    assert (server.young(1), server.left_ms(5_000), server.began_ms) == (True, 5_000, server.now_ms)
    machine.passes(2)
    server = await machine.server()
    assert (server.young(5_000), server.left_ms(5_000)) == (True, 3_000)
    assert (server.young(2_000), server.left_ms(2_000)) == (False, 0)
    assert server.began_ms == server.now_ms - 2_000
    machine.hides_info = True
    server = await machine.server()
    assert (server.young(10**12), server.left_ms(10**12)) == (False, 0)


async def test_it_came_back_after_a_moment_only_where_that_is_certain(machine: Machine) -> None:
    """Its uptime is known to a second, and a look may be late."""
    began = machine.monotonic
    machine.passes(30)
    machine.restarts()
    server = await machine.server()
    assert server.began_after(began)
    assert not server.began_after(machine.monotonic)
    assert not server.began_after(machine.monotonic - 1)
    machine.passes(UPTIME_ERROR_MS / 1000)
    assert (await machine.server()).began_after(began)
