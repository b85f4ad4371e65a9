"""The HTTP server: uvicorn, with an end that sends viewers elsewhere first."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from starlette.types import ASGIApp
from uvicorn import Config, Server

from api.serving.access_log import WithoutQuery
from api.serving.certificate import Certificate
from api.serving.connection_limits import ConnectionLimits
from api.serving.listeners import DEFAULT_HOST, also_localhost, listen
from api.serving.uvicorn_protocol import HttpConfig, gives
from api.supervisor import logger
from api.viewing.hub import Hub
from shared.config.settings import Settings, Transport
from shared.errors import SettingsError
from shared.process.ending_signals import ending_signals
from shared.process.gc_tuning import spare_collector
from shared.process.readiness import say_ready
from shared.process.telemetry import configure_logging, count_tasks_on_signal

ANSWER_HEADERS = [
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    # Of no effect where a page may read an answer (CORS): it keeps answers out of other pages' images and scripts.
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
"""Headers of all answers, whatever they are."""
END_GRACE_S = 5
"""Most seconds from the signal to the end."""
VIEWER_CUT_S = 2.0
"""Seconds after which viewers that do not take their `drain` are aborted."""


class DrainingServer(Server):
    """A uvicorn server that ends in order: it closes its listeners, sends its viewers elsewhere, then ends the rest."""

    def __init__(self, config: Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins the end at any signal: an orderly end is no failure, so the signal is not raised again after it."""
        self.should_exit = self._hub.leaving = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles the signals that uvicorn does not know, too: it knows SIGTERM and SIGINT only."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            earlier = {number: signal.signal(number, self.handle_exit) for number in ending_signals()}
            try:
                yield
            finally:
                for number, handler in earlier.items():
                    signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve. Raises SettingsError where `transport` cannot be had."""
        count_tasks_on_signal()
        self._hub.direct = await takes_over(self._hub.settings.transport)
        await super().startup(sockets)
        spare_collector()
        if self.started:
            say_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Sends the viewers elsewhere, and ends."""
        # Later than the next step, which closes the listeners: when viewers read of it, nobody listens here any more.
        asyncio.get_running_loop().call_soon(self._hub.drain)
        timer = asyncio.get_running_loop().call_later(VIEWER_CUT_S, self._hub.cut)
        await super().shutdown(sockets)
        timer.cancel()


async def takes_over(transport: Transport) -> bool:
    """Says whether connections are taken over from uvicorn. Raises SettingsError where they must, and cannot be."""
    if transport == "asgi" or await gives():
        return transport != "asgi"
    what = "the installed uvicorn does not let connections be taken over"
    if transport == "direct":
        raise SettingsError(f"MIDSTREAM_TRANSPORT: {what}; set it to auto, or install another uvicorn")
    logger.warning("%s; viewers cost more", what)
    return False


def server(app: ASGIApp, hub: Hub, settings: Settings, certificate: Certificate | None = None) -> DrainingServer:
    """Returns the server for an app, to be given its sockets. Raises SettingsError for an unusable certificate."""
    return DrainingServer(
        HttpConfig(
            app,
            ConnectionLimits.by(settings),
            hub.observer,
            settings.access_log,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level=settings.log_level,
            server_header=False,
            headers=ANSWER_HEADERS,
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=END_GRACE_S,
            ssl_context_factory=None if certificate is None else certificate.context,
        ),
        hub,
    )


def serve(
    app: ASGIApp,
    hub: Hub,
    settings: Settings,
    *,
    share_port: bool = False,
    certificate: Certificate | None = None,
) -> None:
    """Serves until a signal."""
    configure_logging(settings.log_level, settings.log_format)
    logging.getLogger("uvicorn.access").addFilter(WithoutQuery())
    listeners = listen(settings.host, settings.port, settings.send_buffer, share=share_port)
    if settings.host == DEFAULT_HOST:
        listeners += also_localhost(listeners[0], settings.send_buffer, share=share_port)
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        logger.info("listening on %s port %d", host, port)
    server(app, hub, settings, certificate).run(sockets=listeners)
