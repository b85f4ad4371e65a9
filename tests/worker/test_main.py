"""The worker process, put together: one of each part, from the settings, without asking anybody yet."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from typing import Any

import pytest

from shared.config.settings import Settings
from tests.worker.conftest import Midstream, said_something, working
from worker import main
from worker.main import build
from worker.writing.observer import Observer

NOWHERE = "redis://127.0.0.1:9/0"


async def closed(worker: main.Worker) -> None:
    await worker.services.providers.aclose()
    for client in worker.clients:
        await client.aclose()


async def test_it_is_made_without_a_redis_and_names_itself() -> None:
    settings = Settings(redis_url=NOWHERE)
    one, two = build(settings), build(settings)
    host, pid, own = one.name.rsplit(":", 2)
    assert (host, pid) == (socket.gethostname(), str(os.getpid()))
    assert len(own) == 8
    assert one.name != two.name, "two in one process have leases of their own"
    for worker in (one, two):
        await closed(worker)


@pytest.mark.parametrize(("queue_url", "apart"), [(None, False), (NOWHERE, False), ("redis://127.0.0.1:9/1", True)])
async def test_the_queue_may_have_a_redis_of_its_own(queue_url: str | None, apart: bool) -> None:
    worker = build(Settings(redis_url=NOWHERE, queue_url=queue_url))
    logs, queue, blocking = worker.clients
    assert (logs is not queue) is apart
    assert blocking not in (logs, queue), "a pop that blocks would hold up every command"
    assert blocking.connection_pool.connection_kwargs["db"] == int(apart)
    await closed(worker)


async def test_the_one_observer_hears_all_of_it() -> None:
    observer = Observer()
    worker = build(Settings(redis_url=NOWHERE), observer)
    for part in (worker.appender, worker.settler, worker.sweeper):
        assert observer in vars(part).values(), type(part).__name__
    await closed(worker)


async def test_what_fails_in_one_part_ends_all(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    worker = build(settings)

    async def broken() -> None:
        raise LookupError

    monkeypatch.setattr(worker.sweeper, "run", broken)
    async with asyncio.timeout(20):
        with pytest.raises(ExceptionGroup) as caught:
            await worker.serve()
    assert caught.group_contains(LookupError)


async def test_a_signal_ends_it_in_order(settings: Settings, midstream: Midstream) -> None:
    async with working(settings) as task:
        await midstream.ended(await midstream.ask("simulator/lorem?deltas=2&rate=0"))
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await task


async def test_a_second_signal_ends_it_at_once(
    settings: Settings, midstream: Midstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    async with working(settings.model_copy(update={"drain_timeout": 60.0})) as task:
        await midstream.until(await midstream.ask("simulator/lorem?rate=1"), said_something)
        for count in (0, 1):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)
            assert statuses == [1] * count
        assert not task.done()


def test_libraries_that_show_arguments_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = 0

    def run(work: Any) -> None:
        nonlocal ran
        ran += 1
        work.close()

    monkeypatch.setattr("worker.main.uvloop.run", run)
    main.run(Settings(redis_url=NOWHERE, log_level="debug"))
    assert ran == 1
    assert not logging.getLogger("arq.worker").isEnabledFor(logging.INFO)
