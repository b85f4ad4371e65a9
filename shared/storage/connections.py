"""Connections to Redis, with the timeouts and retries that redis-py lacks by default and without its needless waits."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from weakref import ref

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from shared.config.sentinel_address import sentinel_address
from shared.config.settings import Settings
from shared.storage.connection_pool import BoundedPool
from shared.storage.keys import PROBE_KEY
from shared.storage.outage import Outage, outage_of
from shared.storage.primary import Primary, primary_of
from shared.storage.redis_connection import ManagedTcp, ManagedTls, Tcp, Tls, Unix
from shared.storage.sentinel import SentinelPool, Sentinels

__all__ = ["RedisError", "connect", "connect_both"]


def connect(
    url: str,
    *,
    timeout: float,
    connections: int = 10,
    retries: int = 2,
    took: Callable[[float], None] | None = None,
) -> Redis:
    """Returns a client whose every command ends in a reply or in a RedisError.

    `timeout` is the seconds for one try, `connections` the most that are open at once, `retries` how often a command
    is sent again after a broken connection; every script of ours can be run twice. `took` is told how many seconds
    each command took.
    """
    outage, primary = outage_of(url), primary_of(url)
    pool = _pool(
        url,
        primary,
        max_connections=connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries),
        retry_on_error=[ConnectionError, TimeoutError],
    )
    client: Any = _Client.from_pool(pool)
    # No cycle: what holds the connections must go when nobody has the client any more.
    pool.connection_kwargs |= {"outage": outage, "primary": primary, "probe": partial(_write, ref(client))}
    if took is not None:
        pool.connection_kwargs["took"] = took
    client.outage = outage
    watched: Redis = client
    return watched


def _pool(url: str, primary: Primary, **options: Any) -> BoundedPool:
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    if (address := sentinel_address(url)) is not None:
        options |= {**address.redis, "connection_class": ManagedTls if address.tls else ManagedTcp}
        return SentinelPool(Sentinels(address), address.service, primary, **options)
    pool = BoundedPool.from_url(url, **options)
    # After the fact, as the class that the address stands for wins over one that is given.
    classes: dict[str, type[AbstractConnection]] = {"unix": Unix, "rediss": Tls}
    pool.connection_class = classes.get(url.partition("://")[0], Tcp)
    return pool


def connect_both(settings: Settings, took: Callable[[float, str], None] | None = None) -> tuple[Redis, Redis]:
    """Returns clients of the logs' Redis and of the queue's: the same client where these are one Redis.

    `took` is told how many seconds each command took, and of which Redis: `logs` or `queue`.
    """
    one = partial(connect, timeout=settings.redis_timeout, connections=settings.redis_connections)
    heard = [None if took is None else _of(took, name) for name in ("logs", "queue")]
    redis = one(settings.redis_url, took=heard[0])
    return redis, one(str(settings.queue_url), took=heard[1]) if settings.queue_apart else redis


def _of(took: Callable[[float, str], None], name: str) -> Callable[[float], None]:
    return lambda seconds: took(seconds, name)


class _Client(Redis):
    """A client that ends its outage's probes when it is closed, and whose pipelines leave Redis' errors as they are."""

    outage: Outage

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Returns a pipeline as redis-py's, which leaves the text of errors as Redis wrote it."""
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        self.outage.close()
        await super().aclose(close_connection_pool)


class _Pipeline(Pipeline):
    def annotate_exception(self, exception: Exception, number: int, command: Iterable[object]) -> None:
        """Leaves an error as it is: behind the command's number and arguments, the code of a refusal would be lost."""


async def _write(client: ref[Redis]) -> None:
    """Writes a small key, which a Redis at its limit refuses. Raises RedisError."""
    if (redis := client()) is not None:
        await redis.set(PROBE_KEY, "1", px=1000)
