"""What is asked of a server, without any I/O: a driver makes the requests, and tells what came of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from midstream_client.errors import (
    ClientError,
    DeniedError,
    GoneError,
    NotFoundError,
    NotMidstreamError,
    RefusedError,
    UnreachableError,
)
from midstream_client.event import Event, json_object
from midstream_client.retry_budget import RetryBudget

MAX_ANSWER_BYTES = 256_000_000
MAX_PROBLEM_BYTES = 65_536

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


class Request(NamedTuple):
    """One HTTP request; the path is absolute, with its query."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes | None = None


class Exchange:
    """One question, asked until it is answered for good.

    A driver makes `request()`. It tells the head of an answer to `opened`, each piece of the body to `received`, and
    its end to `closed`; or what went wrong, to `failed`. Then it waits for `pause()` seconds and begins anew, until
    `done`. It leaves a connection as soon as `leaving`. All but `request` raise ClientError.
    """

    def __init__(self, url: str, budget: RetryBudget) -> None:
        self.url = url
        self.budget = budget
        self.done = False
        self.leaving = False
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._failure: ClientError | None = None

    def request(self) -> Request:
        """Returns what to ask now."""
        raise NotImplementedError

    def opened(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes the head of an answer; names of headers are found in lower case."""
        self._status, self._headers = status, headers
        self._body.clear()
        self.leaving = False
        self._failure = None
        if self._good:
            self.budget.answered()
            self._begin(status, headers)

    def received(self, chunk: bytes) -> Iterator[Event]:
        """Yields the events that a piece of the body completes; each has taken effect when it is yielded."""
        if self._good:
            self.budget.heard()
            yield from self._take(chunk)
        elif len(self._body) <= MAX_PROBLEM_BYTES:
            self._body += chunk

    def closed(self) -> list[Event]:
        """Notes that the answer is whole, or that its connection was left; returns the events that this makes."""
        if self._good:
            return self._end()
        self.failed(problem(self.url, self._status, self._headers, bytes(self._body)))
        return []

    def failed(self, error: ClientError) -> None:
        """Notes a try that failed. Raises the error where trying again does not help."""
        if not error.retryable:
            raise error
        self._failure = error

    def pause(self) -> float:
        """Returns the seconds to wait before the next request. Raises the last error where the budget is used up."""
        return 0.0 if self.done or self._failure is None else self.budget.pause(self._failure)

    @property
    def _good(self) -> bool:
        return 200 <= self._status < 300

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes the head of a good answer."""

    def _take(self, chunk: bytes) -> Iterator[Event]:
        raise NotImplementedError

    def _end(self) -> list[Event]:
        raise NotImplementedError

    def _collect(self, chunk: bytes) -> Iterator[Event]:
        """Keeps a piece of an answer that is one JSON object."""
        self._body += chunk
        if len(self._body) > MAX_ANSWER_BYTES:
            raise not_midstream(self.url)
        return iter(())

    def _collected(self) -> dict[str, Any]:
        """Returns the object, nothing at a 204."""
        found = {} if self._status == 204 else json_object(bytes(self._body))
        if found is None:
            raise not_midstream(self.url)
        return found


class Call(Exchange):
    """A request that is answered with a JSON object, or with nothing (204). It must be safe to repeat."""

    def __init__(self, url: str, budget: RetryBudget, request: Request) -> None:
        super().__init__(url, budget)
        self.result: dict[str, Any] = {}
        self._request = request

    def request(self) -> Request:
        """Returns the request, always the same."""
        return self._request

    def _take(self, chunk: bytes) -> Iterator[Event]:
        return self._collect(chunk)

    def _end(self) -> list[Event]:
        self.result, self.done = self._collected(), True
        return []


def path_of(generation_id: str) -> str:
    """Returns the path of a generation. Raises NotFoundError for what cannot be an id, before it is part of a path."""
    if not _ID.fullmatch(generation_id):
        raise NotFoundError(f"no generation has the id {generation_id!r}")
    return f"/v1/generations/{generation_id}"


def conversation_path(conversation: str) -> str:
    """Returns the path of a conversation. Raises NotFoundError for what cannot be its name."""
    if not 1 <= len(conversation) <= 128 or not conversation.isprintable() or conversation in (".", ".."):
        raise NotFoundError(f"no conversation has the name {conversation[:200]!r}")
    return f"/v1/conversations/{quote(conversation, safe='')}"


def not_midstream(url: str) -> NotMidstreamError:
    """Returns the error for an address where something other than Midstream answers."""
    return NotMidstreamError(f"what answers at {url} is not a Midstream API")


def problem(url: str, status: int, headers: Mapping[str, str], body: bytes) -> ClientError:
    """Returns the error that an answer is: RFC 9457 of the API itself, or whatever a proxy in front of it says."""
    document = json_object(body) or {}
    message = _said(document) or f"{url} answers {status}"
    match status:
        case 401 | 403:
            kind: type[ClientError] = DeniedError
        case 404:
            kind = NotFoundError
        case 410:
            kind = GoneError
        case 400 | 405 | 413 | 415 | 422 | 431:
            kind = RefusedError
        case 502 | 503 | 504:
            kind = UnreachableError
        case _:
            kind = ClientError
    retryable = (status in (408, 425, 429) or status >= 500) and headers.get("x-should-retry") != "false"
    return kind(message, retryable=retryable, retry_after=_retry_after(headers), status=status, problem=document)


def _said(document: dict[str, Any]) -> str:
    """Returns what a problem document says: its title, and the fields that are wrong or else its detail."""
    errors = document.get("errors")
    fields = [error for error in errors[:5] if isinstance(error, dict)] if isinstance(errors, list) else []
    wrong = "; ".join(f"{error.get('pointer', '')} {error.get('message', '')}" for error in fields)
    said = [str(part) for part in (document.get("title"), wrong or document.get("detail")) if part]
    return " ".join(": ".join(said).split())[:1000]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    # Midstream sends seconds only; a date from a proxy is answered by the back-off alone.
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 7 else None
