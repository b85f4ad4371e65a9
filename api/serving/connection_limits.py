"""The limits of a connection in bytes and seconds, and of their number, before a key is asked for."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from shared.config.settings import Settings

RESERVED_DESCRIPTORS = 128
"""File descriptors that are left for Redis, files, and connections that are on their way out."""
DEFAULT_MAX_CONNECTIONS = 20_000
"""Most connections of a process unless it is set: as many as its loop can serve."""
BODY_BYTES_PER_S = 16_000
"""Bytes of a body for each second beyond `body_timeout`."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one process in bytes and seconds; see the settings of the same names."""

    max_headers: int = 65_536
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    keep_alive: float = 75.0
    max_connections: int = DEFAULT_MAX_CONNECTIONS

    @classmethod
    def by(cls, settings: Settings) -> ConnectionLimits:
        """Returns what the settings say."""
        return cls(
            settings.max_headers,
            settings.header_timeout,
            settings.body_timeout,
            settings.keep_alive,
            settings.max_connections or _fitting(),
        )

    def for_body(self, taken: int) -> float:
        """Returns the seconds that a body has of which so many bytes have come."""
        return self.body_timeout + taken / BODY_BYTES_PER_S


def _fitting() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        DEFAULT_MAX_CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(1, min(DEFAULT_MAX_CONNECTIONS, soft - RESERVED_DESCRIPTORS))
    )
