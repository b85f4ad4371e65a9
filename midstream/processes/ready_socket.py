"""The socket on which a child says that it does its work (sd_notify(3); shared/process/readiness.py sends)."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

READY_MESSAGE = b"READY=1"


class ReadySocket(asyncio.DatagramProtocol):
    """A datagram socket at `path`; calls `heard` at each `READY_MESSAGE=1` that arrives."""

    def __init__(self, path: Path, heard: Callable[[], None]) -> None:
        self.path = path
        self._heard = heard

    @classmethod
    async def open(cls, path: Path, heard: Callable[[], None]) -> Self:
        """Makes the socket, which the running loop then reads. Raises OSError where it cannot be made."""
        _, ready_socket = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(path, heard), local_addr=str(path), family=socket.AF_UNIX
        )
        return ready_socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Takes one message, which has one assignment in each line."""
        if READY_MESSAGE in data.split(b"\n"):
            self._heard()

    def close(self) -> None:
        self._transport.close()
