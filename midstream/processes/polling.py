"""Waiting for what gives no signal, such as the end of a process that is not ours."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.02


async def until(condition: Callable[[], bool], timeout: float = float("inf")) -> bool:  # noqa: ASYNC109
    """Says whether the condition came true within `timeout` seconds; looks at it every 20 ms."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True
