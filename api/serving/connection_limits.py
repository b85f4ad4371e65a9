"""What one connection may take of bytes and seconds, and how many there may be, before a key is asked for."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from shared.config.settings import Settings

RESERVED_DESCRIPTORS = 128
"""File descriptors that are left for Redis, files, and connections that are on their way out."""
DEFAULT_MAX_CONNECTIONS = 20_000
"""Connections of a process where nothing else is said: what its loop can serve."""
BODY_BYTES_PER_S = 16_000
"""Bytes of a body for which it has a second more."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bytes and seconds; see the settings of the same names."""

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
