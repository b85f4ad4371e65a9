"""The worker process: takes generations from the queue and runs them, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

import uvloop

from shared.config.settings import Settings
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.permissions.commands import TriedServer
from shared.permissions.permission_check import require, try_again
from shared.process.ending_signals import ending_signals
from shared.process.file_descriptors import places
from shared.process.gc_tuning import spare_collector
from shared.process.readiness import say_ready
from shared.process.telemetry import configure_logging, count_tasks_on_signal
from shared.queue.queue import Queue
from shared.storage.connections import connect, connect_both
from shared.storage.subscriber import Subscriber
from worker.billing.prices import Prices
from worker.cache.log_notifier import LogNotifier
from worker.cache.lookup import AnswerCache
from worker.leasing.pause_detector import PauseDetector
from worker.leasing.queue_worker import POP_TIMEOUT_S, QueueWorker
from worker.maintenance.compactor import Compactor
from worker.maintenance.settler import Settler
from worker.maintenance.sweeper import Sweeper
from worker.providers.registry import Registry
from worker.running.cancel_listener import CancelListener
from worker.running.circuits import Circuits
from worker.running.quarantine import Quarantine
from worker.running.running_generations import RunningGenerations
from worker.running.services import WorkerServices
from worker.writing.append_journal import open_journal
from worker.writing.appender import Appender

logger = logging.getLogger("midstream.worker")


def run(settings: Settings) -> None:
    """Work until SIGTERM, SIGINT or SIGHUP; then finish or hand over what runs. A second signal ends it at once.

    Raises SettingsError where a Redis does not permit what a worker does.
    """
    configure_logging(settings.log_level)
    # arq's own lines show arguments and results.
    logging.getLogger("arq").setLevel(logging.WARNING)
    uvloop.run(_checked(settings))


async def _checked(settings: Settings) -> None:
    away = await require(settings)
    concurrency = places(settings.concurrency)
    await serve(settings.model_copy(update={"concurrency": concurrency}), away)


async def serve(settings: Settings, away: Sequence[TriedServer] = ()) -> None:
    """The worker's tasks on the running loop; a task that fails ends all of them, and the process.

    `away` did not answer at start, and are asked for permissions when they do.
    """
    redis, queue_redis = connect_both(settings)
    # The blocking pop and the cancel listener hold a connection each: on a pool of their own, with time to block.
    queue_url = settings.queue_url or settings.redis_url
    blocking_redis = connect(queue_url, timeout=settings.redis_timeout + POP_TIMEOUT_S, connections=2, retries=0)
    queue = Queue(queue_redis, settings)
    generations = Generations(redis, queue, settings)
    log = Log(redis)

    journal = open_journal(settings.append_journal)
    packer = Compactor(log, generations)
    settler = Settler(queue.settle, packer.take if settings.pack else lambda _: None)
    pulse = PauseDetector(settings.lease, lambda: worker.give_up_expired())
    appender = Appender(
        log,
        max_log=settings.max_log,
        running_ttl=settings.running_ttl,
        window=settings.append_window,
        settler=settler,
        journal=journal,
        beat=pulse.beat,
    )
    providers = Registry(settings.endpoints())
    subscriber = Subscriber(redis, timeout=settings.redis_timeout)
    cache = AnswerCache(redis, log, generations, LogNotifier(subscriber), settings)
    prices = Prices(settings)
    circuits, trials = Circuits(queue_redis, settings), Quarantine(generations)
    generator = RunningGenerations(
        WorkerServices(settings, generations, log, appender, providers, circuits, trials, cache, prices)
    )
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def began() -> None:
        logger.info("worker %s takes up to %d generations", name, settings.concurrency)
        say_ready()

    worker = QueueWorker(name, queue, Queue(blocking_redis, settings), generator, settings, began=began)
    interrupts = CancelListener(blocking_redis, generations, generator)
    sweeper = Sweeper(queue, generations, settings, prices)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = (appender.run(), settler.run(), pulse.run(), interrupts.run(), sweeper.run(), subscriber.run())
            background = [tasks.create_task(task) for task in (*running, packer.run(), try_again(settings, away))]
            _drain_on_signal(tasks, worker, settings.drain_timeout)
            count_tasks_on_signal()
            spare_collector()
            await worker.main()
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await settler.drained()
            for task in background:
                task.cancel()
    finally:
        await providers.aclose()
        for client in (redis, queue_redis, blocking_redis):
            await client.aclose()


def _drain_on_signal(tasks: asyncio.TaskGroup, worker: QueueWorker, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    endings = ending_signals()

    def drain(number: int) -> None:
        logger.info("%s: draining", signal.Signals(number).name)
        for again in endings:
            loop.add_signal_handler(again, os._exit, 1)
        tasks.create_task(worker.drain(seconds))

    for number in endings:
        loop.add_signal_handler(number, drain, number)
