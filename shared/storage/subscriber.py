"""The one subscriber connection of this process: it receives what every followed log publishes."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.backoff import Backoff
from shared.storage.keys import PROBE_KEY
from shared.storage.outage import level
from shared.storage.redis_connection import arrived

logger = logging.getLogger("midstream")


class Listener(Protocol):
    """The receiver of one channel's publications."""

    def subscribed(self) -> None:
        """Is called when the subscription stands: later publications arrive, earlier ones may be missed.

        Called again after each reconnect.
        """

    def published(self, message: bytes) -> None:
        """Takes one publication."""


class Subscriber:
    """Channels and their listeners, over one connection that is replaced when it breaks.

    It does not use redis-py's PubSub, which reconnects without a word: a listener must know when it may have missed
    something. After `timeout` seconds of silence the connection is pinged, and after as many more without a reply it is
    given up, so that a half-open one is found. A key is written too, over another connection: a server that is no
    primary any more answers a PING and publishes nothing.
    """

    def __init__(self, redis: Redis, *, timeout: float) -> None:
        self._redis = redis
        self._pool = redis.connection_pool
        self._timeout = timeout
        self._listeners: dict[bytes, Listener] = {}
        self._changed: set[bytes] = set()
        self._wake = asyncio.Event()
        self._silent = asyncio.Event()

    def subscribe(self, channel: str, listener: Listener) -> None:
        """Makes `listener` the receiver of `channel`; its `subscribed` is called when that has begun."""
        self._listeners[channel.encode()] = listener
        self._changed.add(channel.encode())
        self._wake.set()

    def unsubscribe(self, channel: str, listener: Listener) -> None:
        """Ends the subscription of `listener` to `channel`, unless that has another listener by now."""
        if self._listeners.get(channel.encode()) is listener:
            del self._listeners[channel.encode()]
            self._changed.add(channel.encode())
            self._wake.set()

    async def run(self) -> None:
        """Keeps the connection open, and replaces it when it breaks, for ever."""
        backoff = Backoff()
        while True:
            try:
                await self._session(backoff)
            except (RedisError, OSError) as error:
                pause = next(backoff)
                logger.log(level(error), "subscriber: %s; again in %.2f s", type(error).__name__, pause)
                await asyncio.sleep(pause)

    async def _session(self, backoff: Backoff) -> None:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        connection.retry = Retry(NoBackoff(), 0)
        connection.took = None  # type: ignore[attr-defined]  # what it waits for is no answer
        beside: list[asyncio.Task[None]] = []
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self._changed = set(self._listeners)
            self._wake.set()
            self._silent.clear()
            beside = [asyncio.create_task(task) for task in (self._write(connection), self._try())]
            await self._read(connection, backoff)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await connection.disconnect(nowait=True)

    async def _try(self) -> None:
        """Writes after each silence: where that is refused, this connection is closed with all others (primary.py)."""
        while True:
            await self._silent.wait()
            self._silent.clear()
            with suppress(RedisError, OSError):
                await self._redis.set(PROBE_KEY, "1", px=1000)

    async def _write(self, connection: AbstractConnection) -> None:
        """Makes the server's subscriptions match the listeners, with one command for all that changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, set()
            for command, channels in (
                ("SUBSCRIBE", changed & self._listeners.keys()),
                ("UNSUBSCRIBE", changed - self._listeners.keys()),
            ):
                # On a broken connection send_command would connect again, unseen by the reader.
                if channels and connection.is_connected:
                    await connection.send_command(command, *channels, check_health=False)

    async def _read(self, connection: AbstractConnection, backoff: Backoff) -> None:
        pinged = False
        while True:
            reply: Any = await connection.read_response(timeout=self._timeout, disconnect_on_error=False)
            if reply is None:
                if pinged:
                    raise RedisTimeoutError("no reply to PING")
                await connection.send_command("PING", check_health=False)
                self._silent.set()
            pinged = reply is None
            self._heard(reply, backoff)
            for more in arrived(connection):
                self._heard(more, backoff)

    def _heard(self, reply: Any, backoff: Backoff) -> None:
        if not isinstance(reply, list):
            return
        listener = self._listeners.get(reply[1])
        if listener is None:
            return
        if reply[0] == b"message":
            listener.published(reply[2])
        elif reply[0] == b"subscribe":
            backoff.reset()
            listener.subscribed()
