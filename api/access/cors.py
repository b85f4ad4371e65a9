"""CORS (WHATWG Fetch, 3.2): pages of the origins in `cors_origins` may use this server from a browser.

These pages are as good as the server's own. A browser sends them cookies where it is the same site (SameSite), and they
may send any header, as the SDKs of OpenAI and Anthropic have many. To pages of other origins nothing here is said, and
so their browser refuses what they send and shows them no answer.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.config.settings import Settings

METHODS = b"GET, HEAD, POST, PATCH, PUT, DELETE"
MAX_AGE_S = 7_200
"""Seconds for which a browser remembers the answer to a preflight; Chromium takes no more."""
EXPOSED = (
    "Allow, Idempotent-Replayed, Location, Midstream-Generation, Midstream-Ignored, Preference-Applied, RateLimit, "
    "RateLimit-Policy, Request-Id, Retry-After, WWW-Authenticate, X-Request-Id, X-Should-Retry"
)
"""Headers of answers that a page may read, beside those that any page may."""

_VARY = (b"vary", b"Origin")


class Cors:
    """Answers preflights of pages that may use this server, and says on each answer that they may read it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._origins = settings.origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        listed = [_VARY]
        if origin in self._origins:
            listed += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-credentials", b"true"),
            ]
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _answer_preflight(listed, headers, send)
                return
            listed.append((b"access-control-expose-headers", EXPOSED.encode()))

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *listed]}
            await send(message)

        await self.app(scope, receive, telling)


async def _answer_preflight(listed: list[tuple[bytes, bytes]], headers: Headers, send: Send) -> None:
    asked = headers.get("access-control-request-headers", "").encode("latin-1")
    told = [
        *listed,
        (b"vary", b"Access-Control-Request-Headers"),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", str(MAX_AGE_S).encode()),
        (b"cache-control", b"no-store"),
    ]
    if asked:
        told.append((b"access-control-allow-headers", asked))
    await send({"type": "http.response.start", "status": 204, "headers": told})
    await send({"type": "http.response.body", "body": b""})
