"""The HTTP server: uvicorn, with an end that sends viewers elsewhere first."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import FrameType

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.hub import Hub
from api.viewer import TRANSPORT
from shared.settings import Settings, SettingsError
from shared.telemetry import configure_logging, count_tasks_on_signal

GRACE = 5
"""Seconds from the signal to the end at most."""
CUT = 2.0
"""Seconds after which viewers that do not take their `drain` are aborted."""


class Protocol(HttpToolsProtocol):
    """One connection; shows its transport to the app, which bounds what a stalled viewer holds."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]


class DrainingServer(Server):
    """Ends in order: listeners closed, viewers told, then the rest."""

    def __init__(self, config: Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT: an orderly end is no failure, so the signal is not raised again after it."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        count_tasks_on_signal()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send the viewers elsewhere, and end."""
        # Nothing is awaited in between: when viewers read of it, nobody listens here any more.
        self._hub.drain()
        timer = asyncio.get_running_loop().call_later(CUT, self._hub.cut)
        await super().shutdown(sockets)
        timer.cancel()


class WithoutQuery(logging.Filter):
    """Access lines show the path only: a query may hold what its sender takes for private."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the query off."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def listen(host: str, port: int, send_buffer: int) -> socket.socket:
    """A listening socket whose connections have a send buffer of this many bytes.

    Set before connections exist, as they inherit it: the kernel would otherwise grow it to megabytes for a
    viewer that does not read. Raises SettingsError where the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"MIDSTREAM_HOST: cannot listen on {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        what = f"cannot listen on {host} port {port}: {error.strerror}"
        raise SettingsError(f"MIDSTREAM_PORT: {what}; choose another with --port") from None
    listener.setblocking(False)
    return listener


def server(app: ASGIApp, hub: Hub, settings: Settings) -> DrainingServer:
    """The server for an app, to be given its socket."""
    config = Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=settings.log_level,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    return DrainingServer(config, hub)


def serve(app: ASGIApp, hub: Hub, settings: Settings) -> None:
    """Serve until a signal."""
    configure_logging(settings.log_level)
    logging.getLogger("uvicorn.access").addFilter(WithoutQuery())
    listener = listen(settings.host, settings.port, settings.send_buffer)
    host, port = listener.getsockname()[:2]
    logging.getLogger("midstream.api").info("listening on %s port %d", host, port)
    server(app, hub, settings).run(sockets=[listener])
