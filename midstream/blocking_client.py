"""A client of Redis that blocks: for a command that asks once and ends."""

from __future__ import annotations

from typing import Any

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from shared.sentinel import newest, sentinel_address


def open_client(url: str, timeout: float) -> redis.Redis:
    """Of any address that a worker takes; `timeout` is the seconds for a connection and for a reply.

    With Sentinels it leads to the primary that they name, who are asked at its first command.
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


class _Sentinels(Sentinel):
    """Asked as workers ask them; redis-py wants another permission, and believes whoever answers first."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the primary. Raises redis.sentinel.MasterNotFoundError."""
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
