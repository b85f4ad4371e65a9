"""Waiting for what a tail is told, without writing anything."""

from __future__ import annotations

import asyncio

from api.dialects.native.events import NativeDialect
from api.viewing.known_log import KnownLog
from api.viewing.tail_waiter import TailWaiter
from tests.api.viewing.framers import numbered, raw
from tests.api.viewing.test_tail import rounds, tail_of


async def test_it_waits_until_that_is_so_and_leaves() -> None:
    known = KnownLog()
    tail = tail_of(known, NativeDialect())
    known.loaded = True
    waiting = asyncio.create_task(TailWaiter(tail).until(lambda: known.ended))
    await rounds()
    assert len(tail.broadcast.followers) == 1
    known.extend(numbered(raw(10, 0, "attempt")))
    known.tell()
    await rounds()
    assert not waiting.done()
    known.extend(numbered(raw(10, 1, "completed")))
    known.tell()
    await asyncio.wait_for(waiting, 5)
    assert not tail.broadcast.followers


async def test_what_is_so_already_is_not_waited_for() -> None:
    tail = tail_of(KnownLog(), NativeDialect())
    await asyncio.wait_for(TailWaiter(tail).until(lambda: True), 5)


async def test_who_no_longer_waits_has_left() -> None:
    tail = tail_of(KnownLog(), NativeDialect())
    waiting = asyncio.create_task(TailWaiter(tail).until(lambda: False))
    await rounds()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not tail.broadcast.followers
