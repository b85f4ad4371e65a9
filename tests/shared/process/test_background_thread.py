"""Long work is done in a thread, short work at once, and both give what they give."""

from __future__ import annotations

import asyncio
import threading

import pytest

from shared.process.background_thread import LONG_WORK_BYTES, aside


async def test_only_long_work_leaves_the_loops_thread() -> None:
    assert await aside(LONG_WORK_BYTES - 1, threading.current_thread) is threading.current_thread()
    first, second = await asyncio.gather(
        aside(LONG_WORK_BYTES, threading.current_thread), aside(LONG_WORK_BYTES, threading.current_thread)
    )
    assert first is second is not threading.current_thread()


async def test_the_loop_goes_on_meanwhile() -> None:
    go = threading.Event()
    waiting = asyncio.create_task(aside(LONG_WORK_BYTES, go.wait, 10.0))
    await asyncio.sleep(0)
    go.set()
    assert await waiting


@pytest.mark.parametrize("size", [0, LONG_WORK_BYTES])
async def test_what_it_raises_arrives(size: int) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await aside(size, fail)
