"""A server that answers as a test says: what no real one says when it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

Answers = Callable[[int, list[bytes]], bytes]
"""From the number of the connection and a command to the reply's bytes; empty to keep who waits waiting."""

NOT_HERE = {
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    "NOREPLICAS": b"-NOREPLICAS Not enough good replicas to write.\r\n",
    "UNBLOCKED": b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
    "MOVED": b"-MOVED 866 127.0.0.1:7002\r\n",
}
NOT_NOW = {
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "TRYAGAIN": b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "CLUSTERDOWN": b"-CLUSTERDOWN The cluster is down\r\n",
}


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class ScriptedRedis:
    """Listens on a port of 127.0.0.1 while inside. `commands` has what came, by connection, without CLIENT."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.commands: list[list[list[bytes]]] = []
        self.open = 0
        self.hangs_up = False
        """It closes each connection at once."""
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.commands)
        self.commands.append([])
        self._writers.append(writer)
        self.open += 1
        try:
            while not self.hangs_up and (line := await reader.readline()):
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2])
                if words[0] == b"CLIENT":
                    writer.write(b"+OK\r\n")
                    continue
                self.commands[number].append(words)
                writer.write(self._answers(number, words))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()
