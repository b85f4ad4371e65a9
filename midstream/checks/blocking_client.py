"""A client of Redis that blocks: for a command that asks once and ends."""

import contextlib
from collections.abc import Callable
from typing import Any

import redis
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

from shared.config.sentinel_address import sentinel_address
from shared.storage.outage import CROWDED_WORDS
from shared.storage.sentinel import newest

REFUSAL_HEARD_S = 0.2
"""Seconds in which Redis says that it takes no more connections."""


def open_client(url: str, timeout: float) -> redis.Redis:
    """Opens a client for any address that a worker takes; `timeout` is the seconds for a connection, and for a reply.

    With Sentinels it leads to the primary that they name; they are asked at its first command.
    """
    limits: dict[str, Any] = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    address = sentinel_address(url)
    if address is None:
        return redis.Redis.from_url(url, **limits)
    tls = {"ssl": True} if address.tls else {}
    make: Any = _Sentinels
    sentinels = make(address.nodes, sentinel_kwargs={**limits, **address.sentinel})
    client: redis.Redis = sentinels.master_for(address.service, **{**limits, **tls, **address.redis})
    return client


def unless_closed(ask: Callable[[], Any]) -> dict[str, Any] | None:
    """Returns what Redis answers; None where the command is closed to us, as managed services do with CONFIG."""
    try:
        return dict(ask())
    except redis.ResponseError:
        return None


def refuse_if_hung_up(client: redis.Redis) -> None:
    """Raises the reason why Redis takes no connection, in its words; ignores whatever else is wrong.

    Redis says so to each new connection, and closes it: a client that writes first, as redis-py does, may only see a
    broken pipe.
    Raises redis.ConnectionError where it has too many, else redis.ResponseError.
    """
    made: Any = client.connection_pool.make_connection()
    if isinstance(made, SentinelManagedConnection):
        return
    try:
        with contextlib.closing(made._connect()) as opened:
            opened.settimeout(REFUSAL_HEARD_S)
            said = bytes(opened.recv(512))
    except (OSError, redis.RedisError):
        return
    if said.startswith(b"-"):
        text = said.decode(errors="replace").removeprefix("-").removeprefix("ERR ").strip()
        raise redis.ConnectionError(text) if CROWDED_WORDS in text else redis.ResponseError(text)


class _Sentinels(Sentinel):
    """Sentinels, asked as workers ask them; redis-py needs another permission, and believes the first answer."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Returns host and port of the primary. Raises redis.sentinel.MasterNotFoundError."""
        states, why = [], "none answers"
        sentinel: Any
        for sentinel in self.sentinels:
            try:
                states.append(sentinel.sentinel_master(service_name))
            except redis.RedisError as error:
                why = str(error)
        found = newest(states)
        if found is None:
            why = "it is down" if states else why
            raise MasterNotFoundError(f"no Sentinel says where {service_name!r} is: {why}")
        return found
