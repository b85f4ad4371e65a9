"""Keeps a background task alive, and logs where it failed."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.backoff import Backoff

logger = logging.getLogger("midstream.api")


async def supervise(name: str, run: Callable[[], Awaitable[None]], *, once: bool = False) -> None:
    """Runs a task for ever: when it fails, or ends and is not meant to run `once`, logs that and starts it again."""
    backoff = Backoff(first=0.2, cap=10.0)
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await run()
            if once:
                return
            logger.error("%s ended; starting it again", name)
        except Exception as error:
            logger.error("%s failed and is started again: %s", name, where(error))
        if asyncio.get_running_loop().time() - began > 60:
            backoff.reset()
        await backoff.wait()


@asynccontextmanager
async def supervised(name: str, run: Callable[[], Awaitable[None]], *, once: bool = False) -> AsyncIterator[None]:
    """Supervises a task while inside."""
    task = asyncio.create_task(supervise(name, run, once=once))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def where(error: BaseException) -> str:
    """Returns what an unexpected error is and where it came from, without its message, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames[-6:]))
