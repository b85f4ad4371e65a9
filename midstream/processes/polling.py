"""Waiting for what gives no signal, such as the end of a process that is not ours."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.02


async def until(
    condition: Callable[[], bool],
    timeout: float = float("inf"),  # noqa: ASYNC109
    *,
    poll_s: float = POLL_S,
) -> bool:
    """Says whether the condition came true within `timeout` seconds; looks at it every `poll_s` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(poll_s)
    return True
