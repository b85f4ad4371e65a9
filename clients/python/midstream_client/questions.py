"""What both clients ask of one server, as exchanges: without any I/O."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2

from midstream_client.answer import Answer
from midstream_client.conversation_following import ConversationFollowing
from midstream_client.errors import ClientError, RefusedError, UnreachableError
from midstream_client.exchange import Call, Request, path_of
from midstream_client.following import GenerationFollowing
from midstream_client.retry_budget import RetryBudget

SILENCE_S = 45.0
"""Seconds without a byte after which a connection is given up: three heartbeats of the server."""
CONNECT_TIMEOUT_S = 10.0
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
"""Each follower keeps a connection for as long as its generation runs, and no other call may wait for that."""

Body = Mapping[str, Any] | bytes
"""A request as `POST /v1/generations` takes it: an object, or its JSON."""
Json = dict[str, Any]
"""A JSON object."""
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]
"""What stands behind the question mark; None says that there is no such parameter."""


class Questions:
    """The questions to one Midstream with one key. Raises RefusedError for an address or a key that cannot be one."""

    def __init__(
        self, url: str, key: str | None, silence: float = SILENCE_S, retries: Callable[[], RetryBudget] = RetryBudget
    ) -> None:
        self.url = checked_url(url)
        self.headers = {"accept-encoding": "identity", "user-agent": "midstream-client"}
        if key:
            _check("key", key)
            self.headers["authorization"] = f"Bearer {key}"
        self.timeout = httpx2.Timeout(silence, connect=min(silence, CONNECT_TIMEOUT_S))
        self.retries = retries

    def creation(self, body: Body, key: str | None = None) -> GenerationFollowing:
        """Returns what makes a generation and follows it. Raises ValueError for what cannot be JSON."""
        content = body if isinstance(body, bytes) else _json(body)
        _check("key", key)
        return GenerationFollowing(self.url, self.retries(), body=content, key=key)

    def generation(self, generation_id: str, after: str | None, answer: Answer | None) -> GenerationFollowing:
        """Returns what follows a generation. Raises NotFoundError for what cannot be an id."""
        path_of(generation_id)
        _check("cursor", after)
        return GenerationFollowing(self.url, self.retries(), generation_id=generation_id, after=after, answer=answer)

    def conversation(self, name: str, after: str | None) -> ConversationFollowing:
        """Returns what follows a conversation. Raises NotFoundError for what cannot be its name."""
        _check("cursor", after)
        return ConversationFollowing(self.url, self.retries(), name, after)

    def call(self, method: str, path: str, params: Params, body: Json | None) -> Call:
        """Returns a request that is answered with one JSON object. Raises ValueError for what cannot be JSON."""
        given = list(params.items()) if isinstance(params, Mapping) else params
        query = urlencode([(name, value) for name, value in given if value is not None])
        headers = {"accept": "application/json"} | ({} if body is None else {"content-type": "application/json"})
        content = None if body is None else _json(body)
        request = Request(method, f"{path}?{query}" if query else path, headers, content)
        return Call(self.url, self.retries(), request)

    def sent(self, request: Request) -> dict[str, Any]:
        """Returns a request as httpx2 is told it."""
        return {
            "method": request.method,
            "url": self.url + request.path,
            "headers": self.headers | request.headers,
            "content": request.content,
            "timeout": self.timeout,
            "follow_redirects": False,
        }

    def lost(self, error: Exception) -> ClientError:
        """Returns what a failed connection means. Raises any other error as it is."""
        # A connection's error has no text of the other side, and some have none at all.
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            found: ClientError = UnreachableError(
                f"cannot reach {self.url} ({str(error) or 'no answer'})", retryable=True
            )
        elif isinstance(error, httpx2.RequestError):
            found = UnreachableError(f"connection to {self.url} lost ({type(error).__name__})", retryable=True)
        elif isinstance(error, httpx2.InvalidURL):
            found = RefusedError(f"{self.url} is not an address ({error})")
        elif type(error).__module__.startswith("socksio"):
            # httpx2 lets them through, where something else answers than a SOCKS proxy.
            found = UnreachableError(f"what answers on the way to {self.url} is no SOCKS proxy", retryable=True)
        else:
            raise error
        found.__cause__ = error
        return found


def checked_url(url: str) -> str:
    """Returns an address without a slash at its end. Raises RefusedError for text that is no address."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", url) or re.search(r"[?#@]", url):
        raise RefusedError(f"{url!r} is not an address like http://127.0.0.1:8000")
    return url.rstrip("/")


def _check(name: str, value: str | None) -> None:
    """Raises RefusedError for what cannot be sent in a header."""
    if value and (not (value.isascii() and value.isprintable()) or value != value.strip()):
        raise RefusedError(f"the {name} has characters that no {name} has")


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
