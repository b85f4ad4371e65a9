"""The demo of `midstream up`: its page may have a worker killed, to show that the answer goes on."""

import asyncio
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from midstream.errors import StartError
from midstream.processes.subprocess import Subprocess
from shared.config.loopback import is_loopback
from shared.config.protocols import PROTOCOLS
from shared.config.settings import Settings

SOCKET_NAME = "demo"
_KILL = re.compile(rb"KILL=(\d{1,10})")


def is_demo(settings: Settings) -> bool:
    """Says whether nothing can be lost here: only this machine is served, and only the simulator asked."""
    simulated = {facts.simulator for facts in PROTOCOLS.values()}
    return is_loopback(settings.host) and not settings.providers and settings.endpoints().keys() <= simulated


class DemoSocket(asyncio.DatagramProtocol):
    """A datagram socket at which an API asks for a worker to be killed (`api/routes/demo.py` sends)."""

    def __init__(self, workers: Sequence[Subprocess]) -> None:
        self._workers = workers

    @classmethod
    async def open(cls, path: Path, workers: Sequence[Subprocess]) -> Self:
        """Makes the socket, which the running loop then reads. Raises StartError where it cannot be made."""
        try:
            _, demo = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: cls(workers), local_addr=str(path), family=socket.AF_UNIX
            )
        except OSError as error:
            raise StartError(
                f"cannot make a socket in {path.parent} ({error.strerror}): set TMPDIR to another"
            ) from None
        return demo

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Kills the worker that a message names by its process id; where none of ours has that, the first."""
        if asked := _KILL.fullmatch(data):
            named = [worker for worker in self._workers if worker.pid == int(asked[1])]
            (named or self._workers)[0].kill()

    def close(self) -> None:
        self._transport.close()
