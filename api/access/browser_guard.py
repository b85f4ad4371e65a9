"""The guard against web pages of other sites: a browser sends their requests to any address.

A page may send a POST to any address without a preflight, but may not read the answer. It may read that too where the
name that the page came from has been made to point to this machine (DNS rebinding); the Host is then that name. Where
callers have no key, such a page could do everything. A key in `Authorization` or `x-api-key` needs a preflight, which
is answered to the origins of `cors_origins` only (api/access/cors.py); their pages are not of another site. A cookie
needs none, so it is no reason to let a request pass.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems.problem import ProblemError
from shared.config.access_settings import PORT_OF_SCHEME
from shared.config.loopback import is_loopback
from shared.config.settings import Settings

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""
PATHS_FOR_ANY_HOST = frozenset({"/livez", "/readyz"})
"""Paths that load balancers ask, by whatever name of the host."""


class BrowserGuard:
    """Refuses requests of pages of other sites (421, 403); all others pass."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._keys = not settings.open_to_all
        self._hosts = settings.hosts()
        self._origins = settings.origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (problem := self._refusal(scope)) is not None:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")  # HTTP/1.0, which no browser speaks, may have none
        if host and not self._keys and scope["path"] not in PATHS_FOR_ANY_HOST and not self._is_ours(host):
            return ProblemError(
                421,
                "misdirected_request",
                "The Host is not one of this server's",
                "Without API keys it answers to names and addresses of this machine only, as any web page could ask it "
                "otherwise. Ask http://127.0.0.1, or have the operator name the host in MIDSTREAM_ALLOWED_HOSTS.",
            )
        if scope["method"] in READING_METHODS or _has_key(headers) or self._is_listed(headers):
            return None
        if not _is_foreign(headers, host):
            return None
        return ProblemError(
            403,
            "cross_site",
            "The request comes from a page of another site",
            "Only pages of this server's own origin may change anything without an `Authorization` or `x-api-key` "
            "header. Ask through the origin of your page, or from its server.",
        )

    def _is_listed(self, headers: Headers) -> bool:
        """Says whether a page asks that may use this server; a browser names its origin wherever it changes a thing."""
        origins = headers.getlist("origin")
        return bool(origins) and self._origins.issuperset(origins)

    def _is_ours(self, host: str) -> bool:
        name, _ = _split(host)
        named = is_loopback(name) or name in self._hosts or "*" in self._hosts
        return named or any(name.endswith(one[1:]) for one in self._hosts if one.startswith("*."))


def _has_key(headers: Headers) -> bool:
    # An empty one is none: a cookie beside it would decide.
    return bool(headers.get("authorization") or headers.get("x-api-key"))


def _is_foreign(headers: Headers, host: str) -> bool:
    """Says whether a page of another site asks, by a browser's headers (Fetch Metadata, 2.3; RFC 6454, 7.3).

    Other clients send none of them.
    """
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    if sites:
        return any(site.lower() not in ("same-origin", "none") for site in sites)
    return any(not _is_same(origin, host) for origin in origins)


def _is_same(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.lower().partition("://")
    if not separator:
        return False  # `null`, of a page that has none
    default = PORT_OF_SCHEME.get(scheme, "")
    (name, port), (our_name, our_port) = _split(authority), _split(host)
    return (name, port or default) == (our_name, our_port or default)


def _split(authority: str) -> tuple[str, str]:
    """Returns name and port in the form that is compared: in lower case, without the dot of the root."""
    name, colon, port = authority.lower().rpartition(":")
    if not colon or port.endswith("]"):  # an IPv6 address without one
        name, port = authority.lower(), ""
    return name.removesuffix("."), port
