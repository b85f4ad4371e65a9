"""Connections that break again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.harness.processes import Stack
from tests.harness.proxy import Proxy


@contextlib.asynccontextmanager
async def cut_often(stack: Stack, every: float = 0.15) -> AsyncIterator[str]:
    """The address of a proxy before the first API that resets all its connections again and again."""
    async with Proxy("viewer", ("127.0.0.1", stack.apis[0].port)).listening() as proxy:
        cuts = 0

        async def cut() -> None:
            nonlocal cuts
            while True:
                await asyncio.sleep(every)
                cuts += proxy.reset()

        cutting = asyncio.create_task(cut())
        try:
            yield f"http://{proxy.address}"
        finally:
            cutting.cancel()
        assert cuts > 2
