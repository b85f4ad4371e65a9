"""The HTTP client of the command line: the client library, in the command line's words."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import httpx2

import midstream_client
from midstream.address import start_hint
from midstream.errors import ClientError, DeniedError, NotFoundError, RefusedError, UnreachableError
from midstream.terminal import one_line
from midstream_client import Client, Conversation, Event, Follower, NotMidstreamError, RetryBudget
from midstream_client.exchange import path_of
from midstream_client.questions import SILENCE_S, checked_url
from shared.config.outbound import fault_at, way_to
from shared.config.value_checks import of_key

FIRST_ANSWER_S = 3.0
"""Seconds for which an address is tried that never answered: a wrong one should not take minutes to say so."""

patient = partial(RetryBudget, first=FIRST_ANSWER_S)


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
        budget: Callable[[], RetryBudget] = patient,
    ) -> None:
        self.url = address(url)
        self._http = http_client(self.url, key, httpx2.Timeout(silence))
        self._client = Client(self.url, key, silence=silence, retries=budget, http=self._http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def models(self) -> list[dict[str, Any]]:
        """Returns what a request may name as its model."""
        data = self._json("/v1/models").get("data")
        return data if isinstance(data, list) else []

    def default_model(self) -> str:
        """Returns the model of a request that names none. Raises RefusedError where there is none."""
        for model in self.models():
            if isinstance(model, dict) and model.get("default"):
                return str(model["id"])
        raise RefusedError("the API has no default model; name one with --model")

    def generations(self, limit: int, before: str | None, filters: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Returns a page of the caller's generations, newest first: `data`, and `next` for the following page."""
        return self._json("/v1/generations", [("limit", limit), ("before", before or None), *filters])

    def snapshot(self, generation_id: str) -> dict[str, Any]:
        """Returns a generation as it stands."""
        with self._told():
            return self._client.snapshot(generation_id)

    def usage(self, by: str, since: str | None, until: str | None, owner: str | None = None) -> dict[str, Any]:
        """Returns totals by `day` or `model`; days are ISO 8601, None for the API's default.

        They are the caller's, or those of `owner`, `*` for all, which needs the scope `admin`.
        """
        return self._json("/v1/usage", [("by", by), ("from", since), ("to", until), ("owner", owner)])

    def status(self) -> dict[str, Any]:
        """Returns how the server stands; the key needs the scope `admin`."""
        return self._json("/v1/status")

    def cancel(self, generation_id: str) -> dict[str, Any]:
        """Asks for the end of a generation; the answer's `state` says whether it has ended."""
        with self._told():
            return self._client.cancel(generation_id)

    def share(self, generation_id: str) -> str:
        """Returns the address of a new link by which anybody may read a generation."""
        with self._told():
            return str(self._client.call("POST", f"{path_of(generation_id)}/share").get("url"))

    def create(self, body: bytes, key: str | None = None) -> Follower:
        """Returns a follower that makes a generation of this body once it is read; `key` is its Idempotency-Key."""
        return self._client.create(body, key=key)

    def follow(self, generation_id: str, after: str | None = None) -> Follower:
        """Returns a follower of a generation, from behind the event `after`."""
        with self._told():
            return self._client.follow(generation_id, after=after)

    def conversation(self, name: str, after: str | None = None) -> Conversation:
        """Returns a conversation, whose stream goes on behind the event `after`."""
        with self._told():
            return self._client.conversation(name, after=after)

    def load(self, conversation: Conversation, limit: int) -> None:
        """Reads so many of a conversation's newest turns."""
        with self._told():
            conversation.following.load(self._client.call("GET", conversation.path, {"limit": limit}))

    def events(self, follower: Follower | Conversation) -> Generator[Event]:
        """Yields each event behind the follower's cursor exactly once; of a generation, up to the terminal one."""
        with self._told():
            yield from follower

    def no_api(self) -> UnreachableError:
        """Returns the error for an address where something other than this API answers."""
        return UnreachableError(f"what answers at {self.url} is not a Midstream API; name its address with --url")

    def _json(self, path: str, params: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
        with self._told():
            return self._client.call("GET", path, params)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except midstream_client.ClientError as error:
            raise self._in_our_words(error) from None

    def _in_our_words(self, error: midstream_client.ClientError) -> ClientError:
        message = one_line(str(error))
        match error:
            case NotMidstreamError():
                return self.no_api()
            case midstream_client.DeniedError():
                return DeniedError(f"{message}; give a key with MIDSTREAM_KEY or --key")
            case midstream_client.NotFoundError() if error.status == 404 and not error.problem:
                return NotFoundError(f"{message}: no such generation, or no Midstream API at this address")
            case midstream_client.NotFoundError():
                return NotFoundError(message)
            case midstream_client.RefusedError():
                return RefusedError(message)
            case midstream_client.UnreachableError():
                if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                    message += f"; {start_hint(self.url)}use --url for another"
                return UnreachableError(message, retryable=error.retryable, retry_after=error.retry_after)
        return ClientError(message, retryable=error.retryable, retry_after=error.retry_after)


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


def address(url: str) -> str:
    """Returns an address without a slash at its end. Raises RefusedError for text that is no address."""
    try:
        return checked_url(url)
    except midstream_client.RefusedError as error:
        raise RefusedError(f"--url: {one_line(str(error))}") from None


def body_of(response: httpx2.Response, limit: int) -> bytes:
    """Returns the body of a streamed answer, of so many bytes at most. Raises ValueError for a longer one."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise ValueError("too long")
    return bytes(body)
