"""The HTTP client that SDKs send with: one way to one address, and answers that are no larger than they may be."""

from collections.abc import Mapping
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx2

from shared.config.outbound import way_to
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.errors import TRANSPORT_ERRORS
from worker.providers.transport import ProxiedTransport, Transport

CONNECTION_LIMITS = httpx2.Limits(max_connections=10_000, max_keepalive_connections=256, keepalive_expiry=30.0)
"""Far above any worker's `concurrency`, the limit that counts: no call waits for another's connection. Of connections
that nobody uses, so many are kept, for so many seconds."""

MAX_ERROR_BYTES = 1_000_000
"""Bytes of an answer that is no stream, unpacked; what follows is not read. No provider says so much of an error."""
MAX_CODINGS = 2
"""Compressions inside each other: each layer may multiply the memory for reading by a thousand."""


class ProviderHttpClient(httpx2.AsyncClient):
    """Reads errors, and whatever else is no stream, up to a bound: a few kB of gzip can be a GB of JSON.

    The SDKs read the whole body of an error before they look at it. What they get is therefore read here already. The
    `query` of the endpoint's address stands before what a request adds to it. `credentials` are sent in place of
    `Authorization`, where they are given: OpenAI's SDK has no other way.
    """

    def __init__(self, query: str, credentials: Mapping[str, str] | None, **options: Any) -> None:
        super().__init__(**options)
        self._query = query.encode()
        self._credentials = credentials

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Sends as httpx2 does. Raises httpx2.TransportError, and httpx2.DecodingError for what cannot be unpacked."""
        if self._query:
            own = request.url.query
            request.url = request.url.copy_with(query=self._query + b"&" + own if own else self._query)
        if self._credentials is not None:
            request.headers.pop("authorization", None)
            request.headers.update(self._credentials)
        response = await super().send(request, stream=True, **options)
        # The answer takes minutes, and would keep the body of its request.
        response.request = httpx2.Request(request.method, request.url)
        return response if stream and response.is_success else await _bounded(response)


async def _bounded(response: httpx2.Response) -> httpx2.Response:
    """Returns the answer with as much of its body as may be read, unpacked; closes the connection if there is more."""
    headers = response.headers.copy()
    codings = [coding for coding in headers.get_list("content-encoding", split_commas=True) if coding != "identity"]
    content = bytearray()
    try:
        if len(codings) <= MAX_CODINGS:
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    content += piece[: MAX_ERROR_BYTES - len(content)]
                    if len(content) >= MAX_ERROR_BYTES:
                        break
    except TRANSPORT_ERRORS:
        if response.is_success:
            raise
        # What the status says is more than that the rest of its words did not come.
    finally:
        await response.aclose()
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    return httpx2.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)


def http_client(
    address: str, times: CallTimes = CALL_TIMES, credentials: Mapping[str, str] | None = None
) -> httpx2.AsyncClient:
    """Returns the client that an SDK sends with to this address, and to no other.

    It follows no redirects, as these would carry the key elsewhere. No compression: a proxy that compresses holds
    events back until it has a block full of them. No cookies: one owner's would go with the next one's request.
    """
    way = way_to(address)
    if way.proxy is None:
        transport: httpx2.AsyncBaseTransport = Transport(way.certificates, CONNECTION_LIMITS)
    else:
        transport = ProxiedTransport(verify=way.certificates, limits=CONNECTION_LIMITS, proxy=way.proxy)
    return ProviderHttpClient(
        urlsplit(address).query,
        credentials,
        timeout=times.timeout,
        headers={"Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        transport=transport,
        trust_env=False,
    )
