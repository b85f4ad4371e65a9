"""When a run of fan-out is over."""

from __future__ import annotations

import asyncio

import pytest

from bench import fanout


async def test_a_server_that_the_host_does_not_let_work_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # After each half second: busy, twice kept from working, idle.
    used, taken = [0.0, 0.3, 0.3, 0.3, 0.3], [0, 0, 50, 100, 100]
    looks = 0

    def used_by(_: object) -> dict[str, float]:
        return {"server": used[looks]}

    async def pause(_: float) -> None:
        nonlocal looks
        looks += 1

    monkeypatch.setattr("bench.cpu.used_by", used_by)
    monkeypatch.setattr(fanout, "stolen", lambda: (taken[looks], 0))
    monkeypatch.setattr(asyncio, "sleep", pause)
    await fanout._settled({"server": 1}, 60.0)
    assert looks == 4
