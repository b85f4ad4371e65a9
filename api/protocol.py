"""uvicorn's HTTP protocol, able to give its connection to another one while a response is under way.

uvicorn has no public way for that. What this relies on is in this module only; `gives` tries it with the uvicorn
that is installed.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api.connection import END, TRANSPORT, DirectConnection
from api.supervisor import where

GIVER = "midstream.giver"
"""ASGI scope extension: the `Protocol` of the connection, to ask for it."""

logger = logging.getLogger("midstream.api")


class Protocol(HttpToolsProtocol):
    """One connection; shows itself and its transport to the app."""

    _begun = False
    """Whether a request has begun whose end has not been read."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun = True
        self.scope["extensions"] = {TRANSPORT: self.transport, GIVER: self}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        """The request has been read."""
        self._begun = False
        super().on_message_complete()

    def prepare(self) -> None:
        """Before the head of a response whose body is not uvicorn's: HTTP/1.0 knows no chunks, which it would say."""
        if self.scope["http_version"] == "1.0":
            self.cycle.chunked_encoding = False

    def give(self) -> DirectConnection | None:
        """The connection, once the head of the response is written; uvicorn has nothing to do with it any more.

        None where the client is gone, or has sent more than its request already.
        """
        cycle = self.cycle
        if cycle.disconnected or self.transport.is_closing():
            return None
        if cycle.keep_alive and (self._begun or self.pipeline):
            return None
        connection = DirectConnection(
            self.transport,
            _Home(self.config, self.server_state, self.app_state),
            chunked=self.scope["http_version"] != "1.0",
            keep=cycle.keep_alive,
        )
        connection.full = self.flow.write_paused
        # To uvicorn the client has left; so it says nothing about a response that was not ended.
        cycle.disconnected = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.connections.discard(self)
        self.connections.add(connection)  # type: ignore[arg-type]
        self.transport.set_protocol(connection)
        # Parser, request and protocol refer to each other: without this they would stay until a garbage collection.
        self.scope["extensions"].clear()
        self.pipeline.clear()
        self.parser = self.cycle = self.scope = None  # type: ignore[assignment]
        return connection


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a connection came from, and returns to."""

    config: Config
    state: ServerState
    app_state: dict[str, Any]

    def lost(self, connection: DirectConnection) -> None:
        """The connection is closed."""
        self.state.total_requests += 1
        self.state.connections.discard(connection)

    def give_back(self, connection: DirectConnection, transport: asyncio.Transport, early: bytes) -> None:
        """The response has ended, and the connection is kept; `early` is what the client has sent meanwhile."""
        self.lost(connection)
        protocol = Protocol(self.config, self.state, self.app_state)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        if early:
            protocol.data_received(early)
        else:
            protocol.timeout_keep_alive_task = protocol.loop.call_later(
                protocol.timeout_keep_alive, protocol.timeout_keep_alive_handler
            )


async def gives() -> bool:
    """Whether the installed uvicorn lets a connection go, and takes it back: tried on one without a socket."""
    given: list[DirectConnection | None] = []
    request = b"GET / HTTP/1.1\r\nhost: midstream\r\n\r\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        giver = scope["extensions"][GIVER]
        giver.prepare()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        given.append(giver.give())

    try:
        transport = _Transport()
        state = ServerState()
        protocol = Protocol(Config(app, http=Protocol, ws="none", lifespan="off", log_config=None), state, {})
        protocol.access_log = False
        protocol.logger = logging.Logger("silent", logging.CRITICAL + 1)
        protocol.connection_made(transport)
        protocol.data_received(request)
        await asyncio.gather(*state.tasks)
        connection = given[0]
        if connection is None or transport.get_protocol() is not connection or transport.closed:
            return False
        was_known = [*state.connections] == [connection]  # type: ignore[comparison-overlap]
        connection.end()
        back = transport.get_protocol()
        if not (was_known and isinstance(back, Protocol) and set(state.connections) == {back}):
            return False
        if not transport.written.endswith(b"transfer-encoding: chunked\r\n\r\n" + END):
            return False
        back.access_log, back.logger = False, protocol.logger
        back.data_received(request)
        await asyncio.gather(*state.tasks)
        return given[1:] != [None] and len(given) == 2
    except Exception as error:
        logger.debug("uvicorn gives no connection away: %s", where(error))
        return False


class _Transport(asyncio.Transport):
    """A connection that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self._protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol | None:  # type: ignore[override]
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0
