"""Long work beside the loop, in one thread of its own: meanwhile all other streams go on.

Python runs one thread at a time, and a call into C keeps it until it returns. So what is done aside is many short
calls, and the loop has its turn after SWITCH_INTERVAL_S; it shares the core with one such work at a time, however many
wait.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

LONG_WORK_BYTES = 65_536
"""Bytes from which work on them takes more than a millisecond; less is done at once."""
SWITCH_INTERVAL_S = 0.0005
"""Seconds after which the thread that waits for its turn has it. By Python's own 0.005 the loop would wait so long each
time that it comes back from the kernel."""

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _thread() -> ThreadPoolExecutor:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return ThreadPoolExecutor(1, thread_name_prefix="aside")


async def aside(size: int, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Returns what `work` returns, or raises what it raises; runs it in the thread only for LONG_WORK_BYTES or more.

    `size` is the bytes that it works on.
    """
    if size < LONG_WORK_BYTES:
        return work(*args, **options)
    return await asyncio.get_running_loop().run_in_executor(_thread(), lambda: work(*args, **options))
