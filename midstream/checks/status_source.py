"""How Midstream stands, read again and again: from its Redis, by the settings, or from an API node."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from pydantic import ValidationError
from redis.exceptions import RedisError

from midstream.client.http_client import HttpClient, patient
from midstream.errors import UnreachableError
from midstream_client import RetryBudget
from shared.config.settings import Settings
from shared.queue.standing import read_status
from shared.queue.status import Status
from shared.storage.connections import connect_both
from shared.storage.outage import refusal, words

READ_TIMEOUT_S = 5.0
"""Seconds in which Redis, or an API node, has to answer."""


class StatusSource(Protocol):
    """Where the status is read. It is a context manager, which closes it."""

    def read(self) -> Status:
        """Reads the status. Raises ClientError."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class RedisStatus:
    """The status, read from Redis."""

    def __init__(self, settings: Settings) -> None:
        timeout = min(settings.redis_timeout, READ_TIMEOUT_S)
        self._settings = settings.model_copy(update={"redis_timeout": timeout, "redis_connections": 2})
        # What is logged of an outage is said by who reads the status; without a handler, Python writes it to stderr.
        logging.getLogger("midstream").addHandler(logging.NullHandler())
        # In a thread, as whoever calls may have a loop of its own; Ctrl-C is heard while it waits.
        self._thread = ThreadPoolExecutor(1)
        self._runner = asyncio.Runner()
        self._clients = connect_both(self._settings)
        self._reading: asyncio.Task[Status] | None = None

    def read(self) -> Status:
        """Reads the status. Raises UnreachableError."""
        return self._thread.submit(self._runner.run, self._read()).result()

    async def _read(self) -> Status:
        self._reading = asyncio.current_task()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await read_status(self._settings, *self._clients)
        except (RedisError, OSError) as error:
            said = words(error, refusal(error)).rstrip(".") or f"nothing within {READ_TIMEOUT_S:.0f} s"
            raise UnreachableError(f"Redis does not say how the queue stands ({said})", retryable=True) from None

    async def _close(self) -> None:
        for client in dict.fromkeys(self._clients):
            await client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reading is not None:
            # Left by Ctrl-C, nobody waits for an answer.
            self._runner.get_loop().call_soon_threadsafe(self._reading.cancel)
        self._thread.submit(self._runner.run, self._close()).result()
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


class ApiStatus:
    """The status, as `GET /v1/status` of an API node tells it to a key with the scope `admin`."""

    def __init__(self, url: str, key: str | None, budget: Callable[[], RetryBudget] = patient) -> None:
        self._client = HttpClient(url, key, silence=READ_TIMEOUT_S, budget=budget)

    def read(self) -> Status:
        """Reads the status. Raises ClientError: DeniedError without such a key."""
        told = self._client.status()
        try:
            return Status.model_validate(told)
        except ValidationError:
            raise self._client.no_api() from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()
