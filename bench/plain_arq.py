"""arq as its documentation has it, for comparison: a worker whose job streams an answer through the OpenAI SDK.

BENCH_ARQ_URL=… BENCH_SIMULATOR_URL=… BENCH_MAX_JOBS=600 python -m arq bench.plain_arq.WorkerSettings
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from arq.connections import RedisSettings
from openai import AsyncOpenAI


async def startup(ctx: dict[str, Any]) -> None:
    ctx["openai"] = AsyncOpenAI(
        api_key="none", base_url=f"{os.environ['BENCH_SIMULATOR_URL']}/v1", max_retries=0, timeout=900.0
    )


async def shutdown(ctx: dict[str, Any]) -> None:
    await ctx["openai"].close()


async def answer(ctx: dict[str, Any], model: str) -> int:
    """Read one answer; gives the number of chunks."""
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    return sum([1 async for _ in await ctx["openai"].chat.completions.create(model=model, **asked)])


class WorkerSettings:
    """What the `arq` command runs. Everything that is not here is arq's default, and so is the poll every 0.5 s."""

    functions: ClassVar = [answer]
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_ARQ_URL"])
    max_jobs = int(os.environ["BENCH_MAX_JOBS"])
    job_timeout = 1800
