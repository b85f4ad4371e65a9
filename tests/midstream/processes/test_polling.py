"""Waiting for what gives no signal: until it is so, or no longer than was said."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from midstream.processes.polling import until


async def test_what_is_so_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        raise AssertionError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert await until(lambda: True, 0)


async def test_it_is_looked_at_until_it_is_so() -> None:
    looks = itertools.count()
    assert await until(lambda: next(looks) == 5, poll_s=0.001)
    assert next(looks) == 6


async def test_after_the_time_it_is_given_up() -> None:
    began = time.monotonic()
    assert not await until(lambda: False, 0.02, poll_s=0.001)
    assert time.monotonic() - began >= 0.02


async def test_others_run_meanwhile() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await until(event.is_set, 5, poll_s=0.001)
