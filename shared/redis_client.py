"""Connections to Redis: redis-py has no timeouts and no retries unless told, and waits where it need not."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any
from weakref import ref

from hiredis import pack_command
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, ResponseError, TimeoutError
from redis.typing import EncodableT

from shared.outage import PROBE, Outage, outage_of

__all__ = ["RedisError", "connect", "read_clock"]


class _Direct(AbstractConnection):
    """Without redis-py's task for each write and wait before each command: a third less of a round trip's time.

    Measured by bench/round_trip.py. Commands are packed by hiredis, which redis-py does only in its blocking client.
    """

    def __init__(self, *, outage: Outage, probe: Callable[[], Awaitable[Any]], **options: Any) -> None:
        super().__init__(**options)
        self._outage, self._probe = outage, probe

    async def connect(self) -> None:
        """Connect; where that fails, it is told once."""
        try:
            await super().connect()  # type: ignore[no-untyped-call]
        except RedisError as error:
            self._outage.note(error, self._probe, connecting=True)
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """A reply; a refusal is told once."""
        try:
            return await super().read_response(*args, **options)
        except (ResponseError, BusyLoadingError) as error:
            self._outage.note(error, self._probe, connecting=False)
            raise

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """A command as bytes; a name of two words is two arguments."""
        name, *rest = args
        words = (name.encode() if isinstance(name, str) else bytes(name)).split()  # type: ignore[arg-type]
        try:
            return [pack_command((*words, *rest))]  # type: ignore[arg-type]
        except TypeError:  # an argument of a rarer type
            return list(super().pack_command(*args))

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Write a command; where the last one is still being written, as redis-py does, which waits with a timeout."""
        writer = self._writer
        if (
            writer is None
            or isinstance(command, bytes | str)
            or self.health_check_interval
            or writer.transport.is_closing()
            or writer.transport.get_write_buffer_size()
        ):
            try:
                await super().send_packed_command(command, check_health)
            except RuntimeError as error:
                # uvloop's word for a connection that was reset before this write; redis-py knows OSError only.
                raise ConnectionError(f"the connection was closed: {type(error).__name__}") from None
        else:
            # Nothing to wait for: what the socket does not take at once, the transport holds, and the wait for the
            # reply has a timeout.
            writer.writelines(command)

    async def can_read_destructive(self) -> bool:
        """Whether it has closed, or has something to read that nobody asked for; either way it must not be used."""
        reader = self._reader
        # redis-py reads with a timeout of 0. What arrived is in this buffer, for which asyncio has no public name.
        return reader is None or reader.exception() is not None or reader.at_eof() or bool(reader._buffer)  # type: ignore[attr-defined]


class _Tcp(_Direct, Connection):
    pass


class _Tls(_Direct, SSLConnection):
    pass


class _Unix(_Direct, UnixDomainSocketConnection):
    pass


def connect(url: str, *, timeout: float, connections: int = 32, retries: int = 2) -> Redis:
    """A client whose every command ends: in a reply, or in a RedisError.

    `timeout` is the seconds for one try, `connections` the most that are open at once, `retries` how often a command
    is sent again after a broken connection; every script of ours can be run twice.
    """
    options: dict[str, bool] = {} if url.startswith("unix://") else {"socket_keepalive": True}
    outage = outage_of(url)
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries),
        retry_on_error=[ConnectionError, TimeoutError],
        **options,
    )
    # After the fact, as the class that the address stands for wins over one that is given.
    classes: dict[str, type[AbstractConnection]] = {"unix": _Unix, "rediss": _Tls}
    pool.connection_class = classes.get(url.partition("://")[0], _Tcp)
    client: Any = _Client.from_pool(pool)
    # No cycle: what holds the connections must go when nobody has the client any more.
    pool.connection_kwargs |= {"outage": outage, "probe": partial(_write, ref(client))}
    client.outage = outage
    watched: Redis = client
    return watched


class _Client(Redis):
    """Ends what looks for the end of an outage, when it is closed."""

    outage: Outage

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        self.outage.close()
        await super().aclose(close_connection_pool)


async def _write(client: ref[Redis]) -> None:
    """Write a little, as Redis at its limit refuses. Raises RedisError."""
    if (redis := client()) is not None:
        await redis.set(PROBE, "1", px=1000)


def arrived(connection: AbstractConnection) -> Iterator[Any]:
    """The replies that came with the last one that was read: not one timer and one task's step for each of them.

    redis-py has no public name for its parser's buffer. Raises redis.exceptions.RedisError that was replied.
    """
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    while reader is not None and (reply := reader.gets()) is not NOT_ENOUGH_DATA:
        if isinstance(reply, RedisError):
            raise reply
        yield reply


async def read_clock(redis: Redis) -> tuple[int, int]:
    """The server's time in ms, and for how many ms it has been up at least; for ever, where it has no INFO.

    It counts whole seconds, by the clock's and not from its start: of up to one of them, nothing has passed yet.
    """
    seconds, microseconds = await redis.time()
    try:
        up_ms = max(0, int((await redis.info("server"))["uptime_in_seconds"]) - 1) * 1000
    except ResponseError:
        up_ms = sys.maxsize
    return seconds * 1000 + microseconds // 1000, up_ms
