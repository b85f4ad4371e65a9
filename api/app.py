"""The application, put together."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import FastAPI

from api import openapi
from api.access.api_keys import ApiKeys
from api.access.browser_guard import BrowserGuard
from api.dialects.native.events import NativeDialect
from api.exchange.error_envelopes import ErrorEnvelopes
from api.intake.model_names import ServedModels
from api.intake.retries import Retries
from api.problems import problem
from api.queued_deadlines import QueuedDeadlines
from api.routes import chat_completions, events, generations, health, messages, models, page, responses, usage
from api.services import ApiServices
from api.serving.certificate import Certificate
from api.serving.server import serve
from api.supervisor import supervised
from api.unsynced import Unsynced
from api.viewing.hub import Hub
from shared.config.settings import Settings
from shared.durability import Durability
from shared.generations.deadlines import Deadlines
from shared.generations.generations import Generations
from shared.log.guarded_log import Log
from shared.permissions.commands import TriedServer
from shared.permissions.permission_check import require, try_again
from shared.process.telemetry import configure_logging
from shared.process.version import version
from shared.queue.queue import Queue
from shared.queue.workers import Workers
from shared.storage.connections import connect_both
from shared.storage.disk_sync import DiskSync

DIALECTS = (chat_completions.DIALECT, responses.DIALECT, messages.DIALECT)
"""The dialects that are served beside the native one."""
DESCRIPTION = (
    "LLM answers that survive reloads, lost networks and restarts: a generation runs to its end whoever "
    "watches, and any viewer resumes its events after the last id it saw."
)


def create_app(settings: Settings, away: Sequence[TriedServer] = (), durability: Durability | None = None) -> FastAPI:
    """Returns the app; its lifespan opens and closes what it needs. Raises SettingsError for malformed keys.

    The Redis in `away` did not answer at start; their permissions are checked once they do.
    """
    redis, queue_redis = connect_both(settings)
    log = Log(redis)
    store = Generations(redis, Queue(queue_redis, settings, durability), settings)
    hub = Hub(log, store, settings, NativeDialect())
    unsynced = Unsynced(store)
    deadlines, workers = Deadlines(store), Workers(queue_redis, settings.lease)
    waiting = QueuedDeadlines(store, deadlines, workers)
    disk_sync = DiskSync(settings)
    askers = Retries(store)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(queue_redis.aclose)
            stack.push_async_callback(disk_sync.aclose)
            await stack.enter_async_context(askers.running())  # until the hub has ended its viewers
            await stack.enter_async_context(hub.running())
            asking = functools.partial(try_again, settings, away)
            await stack.enter_async_context(supervised("permissions", asking, once=True))
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
    )
    app.state.keys = ApiKeys(settings)
    served = ServedModels.by(settings)
    app.state.services = ApiServices(settings, log, store, hub, unsynced, deadlines, workers, disk_sync, served, askers)
    app.add_middleware(BrowserGuard, settings=settings)
    problem.install(app)
    app.add_middleware(ErrorEnvelopes, dialects=DIALECTS)
    for module in (generations, events, chat_completions, responses, messages, models, usage, health, page):
        app.include_router(module.router)
    describe: Any = functools.partial(openapi.describe, app, keys=app.state.keys.required)
    app.openapi = describe  # type: ignore[method-assign]
    return app


def run(settings: Settings, *, share_port: bool = False, certificate: Certificate | None = None) -> None:
    """Serves until SIGTERM, SIGINT or SIGHUP.

    Raises SettingsError where the port is in use, by others than who shares it, or a Redis does not permit what an API
    does, or cannot do what `durability` asks for, or the certificate cannot be used.
    """
    configure_logging(settings.log_level)
    if certificate is not None:
        certificate.context()
    app = create_app(settings, asyncio.run(_require(settings)))
    serve(app, app.state.services.hub, settings, share_port=share_port, certificate=certificate)


async def _require(settings: Settings) -> Sequence[TriedServer]:
    away = await require(settings)
    disk_sync = DiskSync(settings)
    try:
        await disk_sync.require()
    finally:
        await disk_sync.aclose()
    return away
