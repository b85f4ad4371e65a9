"""The worker process: takes generations from the queue and runs them, until SIGTERM."""

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import uvloop
from redis.asyncio import Redis

from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.metrics.server import MetricsServer, listen
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
from shared.tracing.begin import begin_tracing
from shared.tracing.tracing import NO_TRACING, Tracing
from worker.billing.prices import Prices
from worker.cache.log_notifier import LogNotifier
from worker.cache.lookup import AnswerCache
from worker.leasing.pause_detector import PauseDetector
from worker.leasing.queue_worker import POP_TIMEOUT_S, QueueWorker
from worker.maintenance.compactor import Compactor
from worker.maintenance.conversation_keeper import ConversationKeeper
from worker.maintenance.settler import Settler
from worker.maintenance.sweeper import Sweeper
from worker.metrics import Gauges, WorkerMetrics
from worker.providers.registry import Registry
from worker.running.activity import Activity
from worker.running.cancel_listener import CancelListener
from worker.running.circuits import Circuits
from worker.running.provider_places import ProviderPlaces
from worker.running.quarantine import Quarantine
from worker.running.running_generations import RunningGenerations
from worker.running.services import WorkerServices
from worker.writing.appender import Appender
from worker.writing.observer import Observer
from worker.writing.observers import together

logger = logging.getLogger("midstream.worker")


def run(settings: Settings, observer: Observer | None = None) -> None:
    """Works until SIGTERM, SIGINT or SIGHUP; then finishes or hands over what runs. A second signal ends it at once.

    Raises SettingsError where a Redis does not permit what a worker does, or the port of the metrics is in use.
    """
    configure_logging(settings.log_level, settings.log_format)
    # arq's own lines show arguments and results.
    logging.getLogger("arq").setLevel(logging.WARNING)
    port = settings.metrics_port
    server = None if port is None else MetricsServer(listen(settings.metrics_host, port))
    uvloop.run(_checked(settings, observer, server))


async def _checked(settings: Settings, observer: Observer | None, server: MetricsServer | None) -> None:
    away = await require(settings)
    settings = settings.model_copy(update={"concurrency": places(settings.concurrency)})
    tracing = begin_tracing("midstream-worker")
    if server is None:
        await build(settings, observer, tracing=tracing).serve(away)
        return
    metrics = WorkerMetrics(settings)
    worker = build(settings, together(observer, metrics), took=metrics.redis.take, tracing=tracing)
    gauges = Gauges(lambda: len(worker.running.running), lambda: worker.queue_worker.leases)
    server.start(metrics.tallies(gauges))
    try:
        await worker.serve(away)
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of one worker. `build` makes one; `serve` runs it, once."""

    name: str
    settings: Settings
    clients: tuple[Redis, ...]
    services: WorkerServices
    running: RunningGenerations
    queue_worker: QueueWorker
    appender: Appender
    settler: Settler
    sweeper: Sweeper
    compactor: Compactor
    keeper: ConversationKeeper
    pause_detector: PauseDetector
    cancel_listener: CancelListener
    subscriber: Subscriber

    async def serve(self, away: Sequence[TriedServer] = ()) -> None:
        """Runs the worker's tasks on the running loop; a task that fails ends all of them, and the process.

        `away` are servers that did not answer at start; they are asked for permissions when they do.
        """
        maintenance = (self.settler, self.sweeper, self.compactor, self.keeper)
        parts = (self.appender, *maintenance, self.pause_detector, self.cancel_listener)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = (self.services.activity, self.services.places, self.subscriber)
                background = [tasks.create_task(part.run()) for part in (*parts, *beside)]
                background.append(tasks.create_task(try_again(self.settings, away)))
                _drain_on_signal(tasks, self.queue_worker, self.settings.drain_timeout)
                count_tasks_on_signal()
                spare_collector()
                await self.queue_worker.main()
                with suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self.settler.drained()
                        await self.keeper.drained()
                        await self.services.places.left()
                await self.services.activity.write()
                for task in background:
                    task.cancel()
        finally:
            await self.services.providers.aclose()
            for client in self.clients:
                await client.aclose()
            await self.services.tracing.aclose()


def build(
    settings: Settings,
    observer: Observer | None = None,
    durability: Durability | None = None,
    *,
    tracing: Tracing = NO_TRACING,
    took: Callable[[float, str], None] | None = None,
) -> Worker:
    """Builds a worker, which has sent nothing to anybody yet. Call it on the loop that the worker is to serve on.

    `took` is told how many seconds each command to Redis took, and which Redis that is.
    """
    observer = observer or Observer()
    redis, queue_redis = connect_both(settings, took)
    # The blocking pop and the cancel listener hold a connection each: on a pool of their own, with time to block.
    queue_url = settings.queue_url or settings.redis_url
    blocking_redis = connect(queue_url, timeout=settings.redis_timeout + POP_TIMEOUT_S, connections=2, retries=0)
    queue = Queue(queue_redis, settings, durability)
    generations, log = Generations(redis, queue, settings), Log(redis)
    prices = Prices(settings)
    subscriber = Subscriber(redis, timeout=settings.redis_timeout)
    compactor, keeper = Compactor(log, generations), ConversationKeeper(generations)
    settler = Settler(
        keeper.before(queue.indexes.settle),
        queue.durability,
        compactor.take if settings.pack else lambda _: None,
        observer,
    )
    pause_detector = PauseDetector(settings.lease, lambda: queue_worker.give_up_expired())
    appender = Appender(
        log,
        max_log=settings.max_log,
        running_ttl=settings.running_ttl,
        window=settings.append_window,
        settler=settler,
        observer=observer,
        beat=pause_detector.beat,
    )
    services = WorkerServices(
        settings,
        generations,
        log,
        appender,
        Registry(settings.endpoints()),
        Circuits(queue_redis, settings),
        Activity(queue_redis),
        Quarantine(generations),
        AnswerCache(redis, log, generations, LogNotifier(subscriber), settings),
        prices,
        ProviderPlaces(queue_redis, settings.endpoints(), settings.lease),
        observer,
        tracing,
    )
    running = RunningGenerations(services)
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def began() -> None:
        logger.info("worker %s takes up to %d generations", name, settings.concurrency)
        say_ready()

    queue_worker = QueueWorker(name, queue, Queue(blocking_redis, settings, durability), running, settings, began=began)
    return Worker(
        name,
        settings,
        (redis, queue_redis, blocking_redis),
        services,
        running,
        queue_worker,
        appender,
        settler,
        Sweeper(queue, generations, settings, prices, observer, keeper),
        compactor,
        keeper,
        pause_detector,
        CancelListener(blocking_redis, generations, running),
        subscriber,
    )


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
