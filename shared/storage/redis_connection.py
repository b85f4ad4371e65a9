"""One connection to Redis: cheaper than redis-py's, and it reports refusals to the outage and to the primary."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

from hiredis import pack_command
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError, ResponseError
from redis.typing import EncodableT

from shared.process.background_thread import LONG_WORK_BYTES
from shared.storage.connection_pool import HungUpError
from shared.storage.outage import CROWDED_WORDS, Outage, refusal, words
from shared.storage.primary import CODES_OF_NO_PRIMARY, CODES_TO_RETRY, Primary
from shared.storage.sentinel import SentinelPool

REFUSAL_TIMEOUT_S = 0.2
"""Seconds in which a Redis that takes no more connections says so."""


class Direct(AbstractConnection):
    """A connection without redis-py's task for each write and wait before each command: round trips take a third less.

    Measured by bench/round_trip.py. Commands are packed by hiredis, which redis-py does only in its blocking client.
    """

    def __init__(
        self,
        *,
        outage: Outage,
        primary: Primary,
        probe: Callable[[], Awaitable[Any]],
        took: Callable[[float], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.took = took
        """Is told how many seconds Redis took, from each command, or group of them, to its first answer."""
        self._sent_at = 0.0
        self._outage, self._primary, self._probe = outage, primary, probe
        self._introducing = False
        self.made_at = 0.0
        """The loop's time when it was connected."""

    async def connect(self) -> None:
        """Connects; a failure is logged once for each outage."""
        if self.is_connected:
            return
        try:
            # Not as redis-py's for Sentinels does, which tries each address thrice before it asks for another.
            await AbstractConnection.connect(self)  # type: ignore[no-untyped-call]
        except RedisError as error:
            self._outage.note(error, self._probe, connecting=True)
            raise
        self.made_at = asyncio.get_running_loop().time()
        self._primary.add(self)

    async def on_connect(self) -> None:
        """Makes this client known to Redis; where Redis has hung up before that, raises what it said as the reason."""
        reader: Any = self._reader
        self._introducing = True
        try:
            await super().on_connect()
        except ConnectionError as error:
            # After a reset, asyncio's reader raises that, and not what it has read.
            if CROWDED_WORDS.encode() in bytes(reader._buffer):
                raise ConnectionError(CROWDED_WORDS) from None
            if type(error) is ConnectionError and refusal(error) is None:
                if await self._is_crowded():
                    raise ConnectionError(CROWDED_WORDS) from None
                raise HungUpError(str(error)) from None
            raise
        finally:
            self._introducing = False

    async def _is_crowded(self) -> bool:
        """Says whether Redis hung up for too many connections; only reads, as a writer may see just a broken pipe."""
        with suppress(RedisError, OSError, TimeoutError):
            await self.disconnect(nowait=True)
            async with asyncio.timeout(REFUSAL_TIMEOUT_S):
                await self._connect()  # type: ignore[no-untyped-call]
                reader: Any = self._reader
                said: bytes = await reader.read(512)
            return CROWDED_WORDS.encode() in said
        return False

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Returns a reply; a refusal is logged once for each outage.

        A refusal that says "not here" or "not now" is raised as a broken connection, which is closed and tried again.
        """
        try:
            # Not as redis-py's for Sentinels does, which hides what Redis said.
            reply = await AbstractConnection.read_response(self, *args, **options)
        except (ResponseError, BusyLoadingError) as error:
            # Redis-py passes over a refusal of its name (CLIENT SETINFO); what is needed of the rest, `connect` tells.
            if not self._introducing:
                self._outage.note(error, self._probe, connecting=False)
            code = refusal(error)
            if code in CODES_OF_NO_PRIMARY:
                self._primary.is_elsewhere()
            if code in CODES_TO_RETRY:
                raise ConnectionError(words(error, code)) from error
            raise
        if self._sent_at and self.took is not None:
            self.took(monotonic() - self._sent_at)
            self._sent_at = 0.0
        return reply

    @property
    def peer(self) -> tuple[str, int] | None:
        """Host and port that it leads to; None where it is not connected, or has none."""
        return None

    def cut(self) -> None:
        """Closes it at once. A caller that waits for a reply gets an error; redis-py reconnects at the next command."""
        if self._writer is not None:
            self._writer.transport.abort()

    def close(self) -> None:
        """Closes it, while nobody uses it."""
        self._close()  # type: ignore[no-untyped-call]

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Returns a command as bytes; a name of two words is two arguments."""
        if any(isinstance(arg, bytes) and len(arg) >= LONG_WORK_BYTES for arg in args):
            return list(super().pack_command(*args))  # in Python, but a request of 8 MB is not copied twice
        name, *rest = args
        words = (name.encode() if isinstance(name, str) else bytes(name)).split()  # type: ignore[arg-type]
        try:
            return [pack_command((*words, *rest))]  # type: ignore[arg-type]
        except TypeError:  # an argument of a rarer type
            return list(super().pack_command(*args))

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Writes a command without a wait; while the last is still being written, as redis-py does, with a timeout."""
        writer = self._writer
        if self.took is not None:
            self._sent_at = monotonic()
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
        """Says whether it must not be used: it has closed, or has something to read that nobody asked for."""
        reader = self._reader
        # redis-py reads with a timeout of 0. What arrived is in this buffer, for which asyncio has no public name.
        return reader is None or reader.exception() is not None or reader.at_eof() or bool(reader._buffer)  # type: ignore[attr-defined]


class Tcp(Direct, Connection):
    """A connection to a port."""


class Tls(Direct, SSLConnection):
    """A connection to a port, with TLS."""


class Unix(Direct, UnixDomainSocketConnection):
    """A connection to the path of a unix socket."""


class Managed(Direct):
    """A connection to where the Sentinels say that the primary is; they are asked at each try."""

    connection_pool: SentinelPool
    host: str
    port: int

    async def _connect(self) -> None:
        self.host, self.port = await self.connection_pool.get_master_address()
        try:
            await super()._connect()  # type: ignore[no-untyped-call,safe-super]
        except OSError as error:  # which would not be tried again
            raise ConnectionError(f"{self.host}:{self.port}: {type(error).__name__}: {error}") from None

    @property
    def peer(self) -> tuple[str, int] | None:
        return (self.host, self.port) if self.is_connected else None


class ManagedTcp(Managed, SentinelManagedConnection):
    """A connection to the primary's port."""


class ManagedTls(Managed, SentinelManagedSSLConnection):
    """A connection to the primary's port, with TLS."""


def arrived(connection: AbstractConnection) -> Iterator[Any]:
    """Yields the replies that came with the last one read, which saves a timer and a step of the task for each.

    redis-py has no public name for its parser's buffer. Raises redis.exceptions.RedisError that was replied.
    """
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    while reader is not None and (reply := reader.gets()) is not NOT_ENOUGH_DATA:
        if isinstance(reply, RedisError):
            raise reply
        yield reply
