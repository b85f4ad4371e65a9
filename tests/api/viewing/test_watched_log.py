"""One log, read once, in several dialects at once."""

from __future__ import annotations

import asyncio

from api.viewing.dialect import Subject
from api.viewing.resume import ResumePoint
from api.viewing.viewer import Viewer
from tests.api.harness import Api, Producer, until
from tests.api.viewing.framers import UnevenDialect
from tests.api.viewing.test_tail import House, Wire


async def test_a_dialect_that_is_wanted_late_is_made_of_what_the_log_has(api: Api, running: Producer) -> None:
    tail = api.hub.acquire(running.generation_id)
    await running.say("a", "b")
    await until(lambda: tail.frames.count == 4, "the events")
    subject = Subject(running.generation_id)
    late = api.hub.acquire(running.generation_id, UnevenDialect(), subject)
    assert late is api.hub.acquire(running.generation_id, UnevenDialect(), subject)
    assert late is not tail
    wire = Wire(chunked=False)
    viewer = Viewer(wire, House(), UnevenDialect())
    viewer.follow(late, ResumePoint(number=0))
    await running.complete()
    await until(lambda: wire.ended, "the end")
    assert wire.body.count(b"of attempt") == 3
    [log] = api.hub._logs.values()
    assert log.size == tail.frames.size + late.frames.size
    viewer.leave()
    for one in (late, late, tail):
        api.hub.release(one)
    assert api.hub.tails == 0
    await until(lambda: not api.hub._logs, "the log to be let go")
    await asyncio.sleep(0)
