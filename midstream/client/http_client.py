"""The HTTP client of the command line."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from midstream.address import start_hint
from midstream.client.retry import RetryBudget
from midstream.errors import ClientError, DeniedError, NotFoundError, RefusedError, UnreachableError
from midstream.terminal import one_line
from shared.config.outbound import fault_at, way_to
from shared.config.value_checks import of_key
from shared.strict_json import nests_deeper

CONNECT_TIMEOUT_S = 10.0
SILENCE_S = 45.0
"""Seconds without a byte after which a connection is given up: three heartbeats of the API."""

MAX_ANSWER_BYTES = 256_000_000
MAX_PROBLEM_BYTES = 65_536
MAX_JSON_LEVELS = 100
"""Most levels of an answer's JSON: MAX_DEPTH of what a provider said, and a few around them."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


class HttpClient:
    """Speaks to one Midstream API with one key. Not for use by several threads.

    All methods raise ClientError. A request that got no answer, or a passing 429 or 5xx, is made again with
    back-off; every request made here may be repeated without harm.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        silence: float = SILENCE_S,
        budget: Callable[[], RetryBudget] = RetryBudget,
    ) -> None:
        self.url = checked_url(url)
        self.budget = budget
        self._http = http_client(self.url, key, httpx2.Timeout(silence, connect=CONNECT_TIMEOUT_S))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """Returns what a request may name as its model."""
        data = self._json("GET", "/v1/models").get("data")
        return data if isinstance(data, list) else []

    def generations(self, limit: int, before: str | None, filters: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Returns a page of the caller's generations, newest first: `data`, and `next` for the following page."""
        given = [("limit", str(limit)), *([("before", before)] if before else ()), *filters]
        return self._json("GET", "/v1/generations", given)

    def snapshot(self, generation_id: str) -> dict[str, Any]:
        """Returns a generation as it stands."""
        return self._json("GET", path_of(generation_id))

    def usage(self, by: str, since: str | None, until: str | None) -> dict[str, Any]:
        """Returns the caller's totals by `day` or `model`; days are ISO 8601, None for the API's default."""
        given = {"by": by, "from": since, "to": until}
        return self._json("GET", "/v1/usage", {name: value for name, value in given.items() if value is not None})

    def cancel(self, generation_id: str) -> dict[str, Any]:
        """Asks for the end of a generation; the answer's `state` says whether it has ended."""
        return self._json("POST", f"{path_of(generation_id)}/cancel")

    @contextmanager
    def open(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None = None
    ) -> Iterator[httpx2.Response]:
        """Opens one streaming request, with a 2xx answer.

        Raises ClientError for any other, and for a connection that fails before or after it.
        """
        try:
            with self._http.stream(method, self.url + path, headers=headers, content=content) as response:
                if not response.is_success:
                    raise self._problem(response)
                yield response
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None
        except httpx2.InvalidURL as error:
            raise RefusedError(f"--url: {one_line(str(error))}") from None
        except Exception as error:
            # httpx2 lets socksio's errors through, where something else answers than a SOCKS proxy.
            if not type(error).__module__.startswith("socksio"):
                raise
            raise UnreachableError(f"what answers on the way to {self.url} is no SOCKS proxy", retryable=True) from None

    def _json(
        self, method: str, path: str, params: dict[str, str] | Sequence[tuple[str, str]] | None = None
    ) -> dict[str, Any]:
        query = f"?{httpx2.QueryParams(params if isinstance(params, dict) else list(params))}" if params else ""
        budget = self.budget()
        while True:
            try:
                with self.open(method, path + query, {"Accept": "application/json"}) as response:
                    answer = json.loads(body_of(response, MAX_ANSWER_BYTES))
            except ClientError as error:
                if not error.retryable:
                    raise
                budget.wait(error)
                continue
            except (ValueError, RecursionError):
                answer = None
            if not isinstance(answer, dict) or nests_deeper(answer, MAX_JSON_LEVELS):
                raise self.no_api()
            return answer

    def no_api(self) -> UnreachableError:
        """Returns the error for an address where something other than this API answers."""
        return UnreachableError(f"what answers at {self.url} is not a Midstream API; name its address with --url")

    def _problem(self, response: httpx2.Response) -> ClientError:
        # RFC 9457 where the API itself speaks; a proxy in front of it may answer with anything.
        status = response.status_code
        try:
            said = _said(json.loads(body_of(response, MAX_PROBLEM_BYTES)))
        except (ValueError, RecursionError):
            said = ""
        message = said or f"{self.url} answers {status}"
        match status:
            case 401 | 403:
                return DeniedError(f"{message}; give a key with MIDSTREAM_KEY or --key")
            case 404 if not said:
                return NotFoundError(f"{message}: no such generation, or no Midstream API at this address")
            case 404 | 410:
                return NotFoundError(message)
            case 400 | 405 | 413 | 415 | 422 | 431:
                return RefusedError(message)
            case 408 | 425 | 429:
                return ClientError(message, retryable=True, retry_after=_retry_after(response))
            case 502 | 503 | 504:
                return UnreachableError(message, retryable=True, retry_after=_retry_after(response))
            case _:
                return ClientError(message, retryable=status >= 500)

    def _unreachable(self, error: httpx2.RequestError) -> ClientError:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            reason = one_line(str(error)) or "no answer"
            hint = f"{start_hint(self.url)}use --url for another"
            return UnreachableError(f"cannot reach {self.url} ({reason}); {hint}", retryable=True)
        return UnreachableError(f"connection to {self.url} lost ({type(error).__name__})", retryable=True)


def path_of(generation_id: str) -> str:
    """Returns the path of a generation. Raises NotFoundError for what cannot be an id, before it is part of a path."""
    if not _ID.fullmatch(generation_id):
        raise NotFoundError(f"no generation has the id {one_line(generation_id)!r}")
    return f"/v1/generations/{generation_id}"


def http_client(url: str, key: str | None, timeout: httpx2.Timeout) -> httpx2.Client:
    """Returns a client for this address, by the environment's proxy. Raises RefusedError for a wrong key or proxy."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "midstream"}
    if key:
        if flaw := of_key(key):
            raise RefusedError(f"--key or MIDSTREAM_KEY: {flaw}")
        headers["Authorization"] = f"Bearer {key}"
    if fault := fault_at(url):
        raise RefusedError(str(fault))
    way = way_to(url)
    return httpx2.Client(headers=headers, timeout=timeout, proxy=way.proxy, verify=way.certificates, trust_env=False)


def checked_url(url: str) -> str:
    """Returns an address without a slash at its end. Raises RefusedError for text that is no address."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username or not url.isascii() or not url.isprintable():
        raise RefusedError(f"--url: {one_line(url)!r} is not an address like http://127.0.0.1:8000")
    return url.rstrip("/")


def body_of(response: httpx2.Response, limit: int) -> bytes:
    """Returns the body of a streamed answer, of so many bytes at most. Raises ValueError for a longer one."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise ValueError("too long")
    return bytes(body)


def _said(problem: Any) -> str:
    """Returns what a problem document says: its title, and the fields that are wrong or else its detail."""
    if not isinstance(problem, dict):
        return ""
    errors = problem.get("errors")
    fields = [error for error in errors[:5] if isinstance(error, dict)] if isinstance(errors, list) else []
    wrong = "; ".join(f"{error.get('pointer', '')} {error.get('message', '')}" for error in fields)
    said = [str(part) for part in (problem.get("title"), wrong or problem.get("detail")) if part]
    return one_line(": ".join(said))[:1000]


def _retry_after(response: httpx2.Response) -> float | None:
    # The API sends seconds only; a date from a proxy is answered by the back-off alone.
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 7 else None
