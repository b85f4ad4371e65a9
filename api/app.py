"""The application, put together."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from api import openapi
from api.access.bearer import Bearer
from api.access.bearer_readers import bearer_readers
from api.access.browser_guard import BrowserGuard
from api.access.browsers import Browsers
from api.access.cors import Cors
from api.access.stored_keys import StoredKeys
from api.counting.unwatched_ends import UnwatchedEnds
from api.dialects.native.events import NativeDialect
from api.dialects.native.turns import TurnDialect
from api.exchange.error_envelopes import ErrorEnvelopes
from api.intake.large_bodies import LargeBodies
from api.intake.model_names import ServedModels
from api.intake.retries import Retries
from api.metrics import ApiMetrics
from api.observer import Observer
from api.problems import problem
from api.queued_deadlines import QueuedDeadlines
from api.request_trace import RequestTrace
from api.revocation import Revocation
from api.routes import (
    assets,
    chat,
    chat_completions,
    conversation_events,
    conversation_tokens,
    conversations,
    demo,
    events,
    generations,
    health,
    messages,
    models,
    page,
    responses,
    session,
    shared,
    shares,
    status,
    tokens,
    usage,
)
from api.services import ApiServices
from api.serving.answer_counts import AnswerCounts
from api.serving.certificate import Certificate
from api.serving.server import serve
from api.supervisor import supervised
from api.unsynced import Unsynced
from api.viewing.conversation.watched import WatchedConversations
from api.viewing.hub import Hub
from api.viewing.send_times import SendTimes
from shared.access.key_store import KeyStore
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.deadlines import Deadlines
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.metrics.server import MetricsServer, listen
from shared.permissions.commands import TriedServer
from shared.permissions.permission_check import require, try_again
from shared.process.telemetry import configure_logging
from shared.process.version import version
from shared.queue.queue import Queue
from shared.queue.workers import Workers
from shared.storage.connections import connect_both
from shared.storage.disk_sync import DiskSync
from shared.tracing.begin import begin_tracing
from shared.tracing.tracing import NO_TRACING, Tracing

DIALECTS = (chat_completions.DIALECT, responses.DIALECT, messages.DIALECT, chat.DIALECT)
"""The dialects that are served beside the native one."""
ROUTES = (
    events,
    generations,
    chat_completions,
    responses,
    messages,
    chat,
    tokens,
    conversation_events,
    conversation_tokens,
    conversations,
    shares,
    shared,
    session,
    models,
    usage,
    status,
    health,
    assets,
    page,
    demo,
)
"""The modules with routes, in the order in which they are tried: first what is asked for most."""
NO_TELEMETRY: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip
"""FastAPI's own telemetry is off whatever its variable says: its logs have what was asked, as errors quote it."""
DESCRIPTION = (
    "LLM answers that survive reloads, lost networks and restarts: a generation runs to its end whoever "
    "watches, and any viewer resumes its events after the last id it saw."
)


def create_app(
    settings: Settings,
    away: Sequence[TriedServer] = (),
    durability: Durability | None = None,
    metrics_server: MetricsServer | None = None,
    tracing: Tracing = NO_TRACING,
    demo_socket: str | None = None,
) -> FastAPI:
    """Returns the app; its lifespan opens and closes what it needs. Raises SettingsError for malformed keys, and
    where a package is missing.

    The Redis in `away` did not answer at start; their permissions are checked once they do. With a server for metrics
    the app counts what it does, and its lifespan runs that server. `tracing` is closed with the lifespan.
    With `demo_socket` its page may cut connections and kill workers (`api/routes/demo.py`).
    """
    metrics = None if metrics_server is None else ApiMetrics(settings)
    observer = metrics or Observer()
    times = None if metrics is None else SendTimes(metrics.send.take, lambda: metrics.ahead_s)
    redis, queue_redis = connect_both(settings, None if metrics is None else metrics.redis.take)
    log = Log(redis)
    store = Generations(redis, Queue(queue_redis, settings, durability), settings)
    hub = Hub(log, store, settings, NativeDialect(), observer, times)
    watched = WatchedConversations(hub, TurnDialect())
    unsynced = Unsynced(store)
    deadlines, workers = Deadlines(store), Workers(queue_redis, settings.lease)
    waiting = QueuedDeadlines(store, deadlines, workers)
    unwatched = UnwatchedEnds(hub.audience.unwatched, store.queue)
    disk_sync = DiskSync(settings)
    askers = Retries(store)
    stored = StoredKeys(KeyStore(queue_redis, store.secret)) if settings.keys == "redis" else None

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(tracing.aclose)
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(queue_redis.aclose)
            stack.push_async_callback(disk_sync.aclose)
            if metrics is not None and metrics_server is not None:
                stack.callback(metrics_server.close)
                look = functools.partial(metrics.look, redis, queue_redis)
                await stack.enter_async_context(supervised("metrics", look, once=True))
                metrics_server.start(metrics.tallies(lambda: len(hub.viewers)), look)
            await stack.enter_async_context(askers.running())  # until the hub has ended its viewers
            await stack.enter_async_context(hub.running())
            await stack.enter_async_context(watched.running())
            revocation = Revocation(hub, lambda grants: app.state.callers.ended(grants))
            await stack.enter_async_context(supervised("revocation", revocation.run))
            if stored is not None:
                await stack.enter_async_context(supervised("uses of keys", stored.run))
            asking = functools.partial(try_again, settings, away)
            await stack.enter_async_context(supervised("permissions", asking, once=True))
            await stack.enter_async_context(supervised("unwatched ends", unwatched.run))
            async with supervised("unsynced", unsynced.run), supervised("deadlines", waiting.run):
                yield
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(store.durability.kept_s):
                        await unsynced.kept()

    # FastAPI's pages for people load a script from a host of somebody else. The description itself needs none.
    app = FastAPI(
        title="Midstream",
        version=version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # A redirect would name the scheme and Host that came, which behind a proxy with TLS is http.
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    bearer = Bearer(bearer_readers(settings, stored), open_to_all=settings.open_to_all)
    browsers = app.state.browsers = Browsers(settings, store, bearer)
    callers = app.state.callers = browsers.callers
    served = ServedModels.by(settings)
    large_bodies = LargeBodies(in_turn=settings.many_owners)
    app.state.services = ApiServices(
        settings,
        log,
        store,
        hub,
        watched,
        unsynced,
        deadlines,
        workers,
        disk_sync,
        served,
        askers,
        large_bodies,
        tracing,
        demo_socket,
    )
    app.add_middleware(BrowserGuard, settings=settings)
    problem.install(app, observer)
    app.add_middleware(ErrorEnvelopes, dialects=DIALECTS)
    if settings.origins():
        app.add_middleware(Cors, settings=settings)  # around all that refuses
    app.add_middleware(RequestTrace, tracing=tracing)
    if metrics is not None:
        app.add_middleware(AnswerCounts, observer=metrics)
    # Not `include_router`, which looks at each router's routes twice for each request: half of what a short one costs.
    for module in ROUTES:
        app.router.routes += module.router.routes
    describe: Any = functools.partial(openapi.describe, app, keys=callers.known)
    app.openapi = describe  # type: ignore[method-assign]
    return app


def run(
    settings: Settings,
    *,
    share_port: bool = False,
    certificate: Certificate | None = None,
    demo_socket: str | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or SIGHUP. `demo_socket`: see `create_app`.

    Raises SettingsError where the port is in use, by others than who shares it, or that of the metrics, or a Redis does
    not permit what an API does, or cannot do what `durability` asks for, or the certificate cannot be used.
    """
    configure_logging(settings.log_level, settings.log_format)
    if certificate is not None:
        certificate.context()
    port = settings.metrics_port
    metrics_server = None if port is None else MetricsServer(listen(settings.metrics_host, port))
    tracing = begin_tracing("midstream-api")
    away = asyncio.run(_require(settings))
    app = create_app(settings, away, metrics_server=metrics_server, tracing=tracing, demo_socket=demo_socket)
    serve(app, app.state.services.hub, settings, share_port=share_port, certificate=certificate)


async def _require(settings: Settings) -> Sequence[TriedServer]:
    away = await require(settings)
    disk_sync = DiskSync(settings)
    try:
        await disk_sync.require()
    finally:
        await disk_sync.aclose()
    return away
