"""What a task says of itself is said in its lines, and in no other's."""

from __future__ import annotations

import asyncio

from shared.process.log_context import tell, told


async def test_a_task_and_those_that_it_starts_have_it_and_no_other() -> None:
    async def inner() -> dict[str, str | int]:
        tell(attempt=2)
        return dict(told())

    async def outer() -> tuple[dict[str, str | int], dict[str, str | int]]:
        tell(generation="gen_a", attempt=1)
        return await asyncio.create_task(inner()), dict(told())

    within, after = await asyncio.create_task(outer())
    assert within == {"generation": "gen_a", "attempt": 2}
    assert after == {"generation": "gen_a", "attempt": 1}
    assert told() == {}
