"""Connections: how many a process opens to a Redis at most, in figures that an operator sets `maxclients` by.

Each process has up to `redis_connections` for its commands, one pool for both Redis where these are one. Beside them
are those that wait or listen. The figures are those of one Redis for logs and queue; of two, neither has more.
"""

from shared.config.settings import Settings
from shared.storage.disk_sync import WAITING_CONNECTIONS

SUBSCRIBER_CONNECTIONS = 1
"""One connection of an API and of a worker: it receives what followed logs publish."""
BLOCKING_CONNECTIONS = 2
"""A worker's blocking pop, and its cancel listener."""


def most_of_api(settings: Settings) -> int:
    """Returns the most of one API process; with MIDSTREAM_DURABILITY=disk including those that wait for a sync."""
    waits = settings.redis_connections * WAITING_CONNECTIONS if settings.durability == "disk" else 0
    return settings.redis_connections + SUBSCRIBER_CONNECTIONS + waits


def most_of_worker(settings: Settings) -> int:
    """Returns the most of one worker process."""
    return settings.redis_connections + SUBSCRIBER_CONNECTIONS + BLOCKING_CONNECTIONS
