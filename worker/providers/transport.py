"""How the SDKs' HTTP client reaches providers: httpx2 over aiohttp's client, for what a piece of an answer costs.

httpx2's own transport takes each piece through a parser in Python, locks and a timer. aiohttp's parser and the bytes of
its answer are in C; this hands requests and answers over, and says its errors in httpx2's words.
"""

import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
from yarl import URL

BODY_EXTENSION = "midstream.body"
"""Extension of a response: its Body, without the generators that httpx2 puts around it."""

PIECE_BYTES = 262_144
"""Bytes of a request's body that are written at once; the loop has other streams to serve meanwhile."""

_ERRORS = (aiohttp.ClientError, OSError, ValueError)
_AS_HTTPX2: dict[type[Exception], type[httpx2.TransportError]] = {
    aiohttp.ConnectionTimeoutError: httpx2.ConnectTimeout,
    aiohttp.ClientConnectorError: httpx2.ConnectError,
    TimeoutError: httpx2.ReadTimeout,
    aiohttp.InvalidURL: httpx2.UnsupportedProtocol,
    aiohttp.NonHttpUrlClientError: httpx2.UnsupportedProtocol,
    OSError: httpx2.ReadError,
    ValueError: httpx2.LocalProtocolError,  # a header with a line's end in it
}
"""aiohttp's errors in httpx2's words; the first that fits counts."""
# What aiohttp would add to a request; the SDKs have said what they want to say.
_SILENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _Connector(aiohttp.TCPConnector):
    """Takes the connection that was used last, so that those which a burst needed are closed when they have been idle.

    aiohttp takes the one that has been idle for longest, which under any load keeps all of them. Past `most` idle ones
    those are closed at once.
    """

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._most = most

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        idle = self._conns.get(key)
        if not idle or idle[-1][0] is not protocol:
            return
        idle.rotate(1)  # `_get` takes them from the left
        while len(idle) > self._most:
            longest, _ = idle.pop()
            longest.close()


class Transport(httpx2.AsyncBaseTransport):
    """A transport for one event loop. It takes no proxies from the environment.

    Of the timeouts it knows `connect`, `pool` and `read`, which also ends a server that does not read the request.
    """

    def __init__(self, context: ssl.SSLContext, limits: httpx2.Limits) -> None:
        self._context, self._limits = context, limits
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._session is None:
            self._session = self._open()
        seconds = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            connect=seconds.get("pool"), sock_connect=seconds.get("connect"), sock_read=seconds.get("read")
        )
        content = await request.aread()
        # The answer outlives the request by minutes, and what refers to this one keeps its body.
        asked = httpx2.Request(request.method, request.url)
        # As it is: yarl would quote it anew.
        url = URL(str(request.url), encoded=True)
        try:
            response = await self._session.request(
                request.method,
                url,
                headers=request.headers.multi_items(),
                data=_pieces(content) if len(content) > PIECE_BYTES else content or None,
                timeout=timeout,
                allow_redirects=False,
            )
        except _ERRORS as error:
            raise _as_httpx2(error, request) from error
        body = Body(asked, response)
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=body,
            extensions={"http_version": b"HTTP/1.1", BODY_EXTENSION: body},
        )

    def _open(self) -> aiohttp.ClientSession:
        most = self._limits.max_keepalive_connections
        connector = _Connector(
            most=sys.maxsize if most is None else most,
            limit=self._limits.max_connections or 0,
            keepalive_timeout=self._limits.keepalive_expiry,
            ssl=self._context,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SILENT,
            auto_decompress=False,
        )

    async def aclose(self) -> None:
        """Closes every connection, also those that are in use."""
        if self._session is not None:
            await self._session.close()


class ProxiedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's own transport, which knows proxies; errors of SOCKS that it lets through become httpx2's."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except httpx2.TransportError:
            raise
        except Exception as error:
            # socksio's ProtocolError, where something else answers than a SOCKS server.
            raise httpx2.ProxyError(type(error).__name__, request=request) from error


class Body(httpx2.AsyncByteStream):
    """The rest of an answer. Once it is read to its end, its connection serves others; else closing ends that."""

    def __init__(self, request: httpx2.Request, response: aiohttp.ClientResponse) -> None:
        self._request, self._response = request, response
        self._broken: Exception | None = None
        framed = response.headers.keys() & {"Content-Length", "Transfer-Encoding"}
        connection = None if framed else response.connection
        self._until_closed = connection and connection.protocol
        """The connection whose end is the body's, where nothing else says where it ends."""

    async def read(self) -> bytes:
        """Returns what has arrived, as soon as something has; nothing at the end. Raises httpx2.TransportError."""
        piece = b""
        if self._broken is None:
            try:
                piece = await self._response.content.readany()
            except _ERRORS as error:
                # aiohttp's future keeps it, and by its traceback would keep all that waited here, this too.
                self._broken = error.with_traceback(None)
                piece = self._left()
        if self._broken is not None and not piece:
            raise _as_httpx2(self._broken, self._request) from self._broken
        if not piece and self._until_closed is not None:
            # aiohttp takes a reset for the end of a body that ends with its connection.
            reset = self._until_closed.exception()
            if isinstance(reset, OSError):
                raise _as_httpx2(reset, self._request)
        return piece

    def _left(self) -> bytes:
        """Returns what arrived before the connection broke, which aiohttp no longer returns.

        Whether it is seen must not depend on how it came.
        """
        content = self._response.content
        content.set_exception(None)  # type: ignore[arg-type]
        return content.read_nowait()

    def unwatch(self) -> None:
        """Lets somebody else end silences, from the next piece on: aiohttp would set a new timer at each."""
        connection = self._response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.read():
            yield piece

    async def aclose(self) -> None:
        """Stops reading."""
        self._response.close()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Yields a body in pieces, for aiohttp, which waits after each until the connection has room."""
    whole = memoryview(content)
    for start in range(0, len(whole), PIECE_BYTES):
        yield bytes(whole[start : start + PIECE_BYTES])


def _as_httpx2(error: Exception, request: httpx2.Request) -> Exception:
    """Returns what happened, in httpx2's words."""
    kind = next((theirs for ours, theirs in _AS_HTTPX2.items() if isinstance(error, ours)), httpx2.RemoteProtocolError)
    return kind(type(error).__name__, request=request)
