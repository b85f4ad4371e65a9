"""uvicorn's HTTP protocol: bounded, and able to give its connection to another one while a response is under way.

uvicorn has no public way for that. What this relies on is in this module only; `gives` tries it with the uvicorn
that is installed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from httptools import HttpParserError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api.observer import Observer
from api.problems.problem import ProblemError
from api.request_ids import answer_headers, new_request_id, request_id
from api.serving.access_log import AccessLog
from api.serving.certificate import HandshakeLoop
from api.serving.connection_limits import ConnectionLimits
from api.serving.framing import RequestFraming
from api.serving.refusal import refusal, too_many, too_slow
from api.serving.request_head import malformed
from api.supervisor import logger, where
from api.viewing.connection import GIVER_EXTENSION, LAST_CHUNK, TRANSPORT_EXTENSION, DirectConnection

REFUSED_BODY_S = 30.0
"""Seconds in which the rest of a request that was refused may come, before the connection is closed."""
REFUSED_BODY_BYTES = 64_000_000
"""Most bytes of that rest."""
IDLE_END_S = 1.0
"""Seconds that an idle connection has while the server ends: its next request may be on its way."""
TURN_AWAY_S = 1.0
"""Seconds until a connection is closed for which there is no room."""
MAX_TURNED_AWAY = 64
"""Most connections that stay open after the answer that there is no room."""
ROOM_SHARE = 0.9
"""Share of the connections below which there is room again."""


class HttpConfig(Config):
    """uvicorn's configuration, and what a connection may take."""

    def __init__(
        self,
        app: ASGIApp,
        limits: ConnectionLimits,
        observer: Observer | None = None,
        lines: Literal["all", "answers", "none"] = "answers",
        **options: Any,
    ) -> None:
        super().__init__(app, http=UvicornProtocol, access_log=lines != "none", **options)
        self.logs_streams = lines == "all"
        self.observer = observer or Observer()
        self.limits = limits
        self.full = False
        """Whether connections are being turned away, which has been logged."""
        self.turned_away: dict[UvicornProtocol, None] = {}
        """Connections for which there is no room, open for that answer only; the oldest first."""

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Returns what makes a loop in which a handshake may take as long as a head."""
        return functools.partial(HandshakeLoop, self.limits.header_timeout)

    def turn_away(self, connection: UvicornProtocol) -> None:
        """Refuses a connection for which there is no room; the oldest of those that were refused makes room for it."""
        if not self.full:
            self.full = True
            logger.warning(
                "%d connections are open, as many as this process takes: others are answered 503",
                self.limits.max_connections,
            )
        self.turned_away[connection] = None
        if len(self.turned_away) > MAX_TURNED_AWAY:
            oldest = next(iter(self.turned_away))
            del self.turned_away[oldest]
            oldest.transport.abort()


class UvicornProtocol(HttpToolsProtocol):
    """One connection: reads its requests one by one, bounds them, and shows itself and its transport to the app.

    The parser gets what api/serving/framing.py makes of the bytes. To uvicorn's response this is the transport: it
    calls `write` and `close`.
    """

    config: HttpConfig
    given_back = False
    """Whether the connection was given away before, and is given back."""

    def __init__(self, config: HttpConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._limits = config.limits
        self.timeout_keep_alive = config.limits.keep_alive  # type: ignore[assignment]
        self._requests = RequestFraming(config.limits.max_headers)
        self._waits: Literal["head", "body"] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._refused: int | None = None
        """Bytes that are still read out before the connection is closed."""
        self._untold = False
        """Whether the head of the response is not written yet."""
        self._head = b""
        """The head of a response, which leaves with the first piece of its body where that comes at once."""
        self._leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection, or one that is given back."""
        super().connection_made(transport)
        most, config = self._limits.max_connections, self.config
        if self.given_back:
            return
        if len(self.connections) <= most:
            config.full = config.full and len(self.connections) > most * ROOM_SHARE
            self._keep()
            return
        config.turn_away(self)
        self._refuse(too_many(most))

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_keepalive_if_required()
        self._set_timer()
        self.config.turned_away.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            self._refused -= len(data)
            if self._refused < 0:
                self.transport.close()
            return
        self._unset_keepalive_if_required()
        self._requests.held += data
        self._read()

    def _read(self) -> None:
        """Feeds the parser what there is of the request under way; what comes after its end waits for the answer."""
        requests = self._requests
        if requests.whole:
            self.flow.pause_reading()
            return
        try:
            for piece in requests.take():
                self.parser.feed_data(piece)
        except ProblemError as problem:
            self._refuse(problem)
            return
        except HttpParserError:
            self._refuse(malformed("It cannot be parsed."))
            return
        self._watch()
        if not self._answered():
            return
        if requests.taken > REFUSED_BODY_BYTES:
            self.transport.close()
        elif requests.whole:
            # It was answered before its end had come.
            self._keep()
            self._next()

    def _next(self) -> None:
        """Turns to the next request, as this one is whole and answered."""
        self._requests.next()
        if self._requests.held:
            self._unset_keepalive_if_required()
            self._read()

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        """Sets the timer of a head or body that has begun and is not complete; unsets it where nothing is due."""
        requests = self._requests
        waits: Literal["head", "body"] | None = None
        if requests.begun:
            waits = "body" if requests.headed else "head"
        elif not requests.whole:
            self._keep()
        if waits == self._waits:
            return
        self._waits = waits
        self._since = self.loop.time()
        if waits is None:
            self._set_timer()
        else:
            self._set_timer(self._limits.header_timeout if waits == "head" else self._limits.body_timeout, self._late)

    def _late(self) -> None:
        if self._waits == "head":
            self._refuse(too_slow("head", "MIDSTREAM_HEADER_TIMEOUT"))
            return
        left = self._since + self._limits.for_body(self._requests.taken) - self.loop.time()
        if left > 0:
            self._set_timer(left, self._late)
        else:
            self._refuse(too_slow("body", "MIDSTREAM_BODY_TIMEOUT"))

    def _set_timer(self, seconds: float = 0.0, then: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, then) if then is not None else None

    def _keep(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _refuse(self, problem: ProblemError) -> None:
        """Answers what is no request, or not in time, and closes."""
        if not self._answered():
            # To the app the client has left.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.config.observer.answered("", "", problem.status)
        self.transport.write(refusal(problem, [*self.server_state.default_headers, *self._named()]))
        self.close(TURN_AWAY_S if problem.status == 503 else REFUSED_BODY_S)

    def _named(self) -> list[tuple[bytes, bytes]]:
        """Returns the headers with the id of the request that is refused; without a head nobody has given it one."""
        if not self._requests.headed:
            return answer_headers("", new_request_id())
        return answer_headers(self.scope["path"], request_id(self.scope))  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        """Writes what uvicorn has for the client."""
        if self._untold and self.cycle.response_started:
            self._untold = False
            if self.cycle.keep_alive:
                # Else a client does not know for how long it may use the connection again (RFC 2068, 19.7.1).
                data = b"%bkeep-alive: timeout=%d\r\n\r\n" % (data[:-2], self._limits.keep_alive)
            self._flush()
            self._head = data
            self.loop.call_soon(self._flush)
        else:
            self._flush(data)

    def _flush(self, data: bytes = b"") -> None:
        """Writes the head that waits, and `data`."""
        pieces = [piece for piece in (self._head, data) if piece]
        self._head = b""
        if pieces:
            self.transport.writelines(pieces)

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def close(self, seconds: float = REFUSED_BODY_S) -> None:
        """Closes after the last answer. What the client still sends is read out, so that it sees it (RFC 9112, 9.6)."""
        self._flush()
        if self._requests.whole or self.transport.is_closing():
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        self._requests.held.clear()
        self._refused = REFUSED_BODY_BYTES
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._set_timer(seconds, self.transport.close)

    def shutdown(self) -> None:
        """Ends with the server: an idle connection has a moment, as its next request may be on its way."""
        self._leaving = True
        if self._refused is not None:
            self.transport.close()
        elif self._answered():
            self.loop.call_later(IDLE_END_S, self._leave)
        else:
            super().shutdown()

    def _leave(self) -> None:
        if self._answered():
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT_EXTENSION: self.transport, GIVER_EXTENSION: self}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._untold = True
        self.cycle.transport = self  # type: ignore[assignment]
        # On all that uvicorn sends, an answer of its own among it.
        self.cycle.default_headers = [*self.cycle.default_headers, *self._named()]
        if self.access_log:
            self.cycle.access_logger = AccessLog(self.scope)  # type: ignore[assignment,arg-type]
        if self._leaving:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Turns to the next request, as the answer is whole."""
        if self._refused is not None:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if self._requests.whole and not self.transport.is_closing():
            self._next()

    def prepare(self) -> None:
        """Makes uvicorn's head fit a body that uvicorn does not write: for HTTP/1.0 it must not announce chunks.

        A GET has no line in the access log unless all are wanted: it is a sixth of what a viewer that comes back costs.
        """
        if self.scope["method"] == "GET" and not self.config.logs_streams:
            self.cycle.access_log = False
        if self.scope["http_version"] == "1.0":
            self.cycle.chunked_encoding = False

    def unchunked(self, send: Send) -> Send:
        """Returns `send` for such a response where the connection is not given away."""
        if self.scope["http_version"] != "1.0":
            return send
        cycle = self.cycle

        async def sending(message: Message) -> None:
            # uvicorn knows no body that ends with the connection: each piece is all that it expects.
            cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        return sending

    def give(self) -> DirectConnection | None:
        """Returns the connection once the head of the response is written; uvicorn then no longer has it.

        Returns None where the client is gone, or its request is not whole yet.
        """
        cycle = self.cycle
        if cycle.disconnected or self.transport.is_closing() or (cycle.keep_alive and not self._requests.whole):
            return None
        self._flush()
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
        self._set_timer()
        self.flow.resume_reading()
        self.connections.discard(self)
        self.connections.add(connection)  # type: ignore[arg-type]
        self.transport.set_protocol(connection)
        if self._requests.held:
            connection.data_received(bytes(self._requests.held))
        # Parser, request and protocol refer to each other: without this they would stay until a garbage collection.
        self.scope["extensions"].clear()
        self.parser = self.cycle = self.scope = None  # type: ignore[assignment]
        return connection


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a connection came from, and returns to."""

    config: HttpConfig
    state: ServerState
    app_state: dict[str, Any]

    def lost(self, connection: DirectConnection) -> None:
        self.state.total_requests += 1
        self.state.connections.discard(connection)

    def give_back(self, connection: DirectConnection, transport: asyncio.Transport, early: bytes) -> None:
        self.lost(connection)
        protocol = UvicornProtocol(self.config, self.state, self.app_state)
        protocol.given_back = True
        protocol.connection_made(transport)
        transport.set_protocol(protocol)
        protocol.data_received(early)


async def gives() -> bool:
    """Says whether the installed uvicorn gives a connection away and takes it back; tries it without a socket."""
    given: list[DirectConnection | None] = []
    request = b"GET / HTTP/1.1\r\nhost: midstream\r\n\r\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        giver = scope["extensions"][GIVER_EXTENSION]
        giver.prepare()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        given.append(giver.give())

    try:
        transport = _Transport()
        state = ServerState()
        protocol = UvicornProtocol(
            HttpConfig(app, ConnectionLimits(), ws="none", lifespan="off", log_config=None), state, {}
        )
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
        ended = transport.written.endswith(b"\r\nkeep-alive: timeout=75\r\n\r\n" + LAST_CHUNK)
        if not (was_known and isinstance(back, UvicornProtocol) and set(state.connections) == {back} and ended):
            return False
        back.access_log, back.logger = False, protocol.logger
        back.data_received(request)
        await asyncio.gather(*state.tasks)
        return given[1:] != [None] and len(given) == 2
    except Exception as error:
        logger.debug("uvicorn gives no connection away: %s", where(error))
        return False


class _Transport(asyncio.Transport):
    """A transport without a socket."""

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
