"""Why a Redis cannot be used is said: once for each outage by a process that runs, and by doctor."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_py

from tests.harness.ports import free_port
from tests.mended.once import ended, program
from tests.mended.redis_servers import RedisServer
from tests.mended.running import until
from tests.mended.test_operation import Redis

SECRET = "s3cr3t"
NOWHERE = "http://127.0.0.1:1"


@contextlib.contextmanager
def with_certificate(folder: Path) -> Iterator[int]:
    """A port on which TLS is spoken, with a certificate that nobody knows."""
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                    encrypted.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    over.set()
    listener.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("reasons") / "redis"
    server = Redis(folder, "--save", "3600 1", "--dbfilename", "taken.rdb")
    yield server
    server.process.kill()
    server.process.wait(20)


def url_of(redis: Redis, database: int = 0, user: str = "") -> str:
    return f"redis://{user}127.0.0.1:{redis.port}/{database}"


@pytest.mark.mended("redis-19")
@pytest.mark.parametrize(
    "reasons", [("refused", "database"), ("password", "certificate"), ("name", "maxclients")], ids=" and ".join
)
def test_the_reason_is_in_the_log_once_and_in_doctors_words(
    redis: Redis, tmp_path: Path, reasons: tuple[str, str]
) -> None:
    """One of the logs' Redis, and one of the queue's."""
    redis.say("ACL", "SETUSER", "u", "on", f">{SECRET}", "~*", "&*", "+@all")
    known = {
        "refused": (f"redis://u:{SECRET}@127.0.0.1:{free_port()}/0", "refused"),
        "name": (f"redis://u:{SECRET}@no-such-host.invalid:6379/0", "no-such-host"),
        "certificate": ("", "certificate"),
        "password": (url_of(redis, user=f"u:{SECRET}wrong@"), "password"),
        "maxclients": (url_of(redis, user=f"u:{SECRET}@"), "max number of clients"),
        "database": (url_of(redis, 99, user=f"u:{SECRET}@"), "out of range"),
    }
    with contextlib.ExitStack() as stack:
        if "certificate" in reasons:
            port = stack.enter_context(with_certificate(tmp_path / "tls"))
            known["certificate"] = (f"rediss://u:{SECRET}@127.0.0.1:{port}/0", "certificate")
        if "maxclients" in reasons:
            stack.enter_context(contextlib.closing(full(redis)))
        (logs, of_logs), (queue, of_queue) = (known[reason] for reason in reasons)
        env = {"MIDSTREAM_REDIS_URL": logs, "MIDSTREAM_QUEUE_URL": queue, "MIDSTREAM_SIMULATOR_URL": NOWHERE}
        worker = stack.enter_context(program(tmp_path, "worker", env=env))
        status, said = ended(tmp_path, "doctor", env=env)
        assert status == 1, said
        assert SECRET not in said
        for reason, subject, words in ((reasons[0], "Redis", of_logs), (reasons[1], "queue's Redis", of_queue)):
            begins = (f"fail {subject}:", f"fail {subject}, connections:")
            line = next(line for line in said.splitlines() if line.startswith(begins))
            assert words in line.lower(), line
            assert ("no answer" in line) == (reason in ("refused", "name", "certificate")), line
            assert worker.says(words), worker.output()
            lines = [line for line in worker.output().splitlines() if words in line.lower()]
            assert len(lines) == 1, lines
        assert worker.process.poll() is None
        assert SECRET not in worker.output()


@pytest.mark.mended("redis-19")
def test_an_outage_at_the_start_ends_and_the_next_one_is_told(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "server")
    server.kill()
    env = {"MIDSTREAM_REDIS_URL": server.url, "MIDSTREAM_SIMULATOR_URL": NOWHERE}
    try:
        with program(tmp_path, "worker", env=env) as worker:
            assert worker.says("refused"), worker.output()
            server.start()
            assert worker.says("takes writes again"), worker.output()
            server.kill()
            until(lambda: worker.output().count("cannot be reached") > 1, 20)
    finally:
        server.kill()


class full:
    """The server has no room for another client."""

    def __init__(self, server: Redis) -> None:
        self._client = redis_py.Redis(port=server.port, single_connection_client=True)
        self._client.config_set("maxclients", 1)

    def close(self) -> None:
        self._client.config_set("maxclients", 1000)
        self._client.close()


@pytest.mark.mended("redis-19")
def test_doctor_names_the_variable_of_the_redis_that_is_away(redis: Redis, tmp_path: Path) -> None:
    env = {
        "MIDSTREAM_REDIS_URL": url_of(redis),
        "MIDSTREAM_QUEUE_URL": f"redis://127.0.0.1:{free_port()}/0",
        "MIDSTREAM_SIMULATOR_URL": NOWHERE,
    }
    _, said = ended(tmp_path, "doctor", env=env)
    line = next(line for line in said.splitlines() if "queue's Redis" in line)
    assert "MIDSTREAM_QUEUE_URL" in line
    assert "MIDSTREAM_REDIS_URL" not in said


@pytest.mark.mended("redis-19")
def test_doctor_writes(redis: Redis, tmp_path: Path) -> None:
    env = {"MIDSTREAM_REDIS_URL": url_of(redis), "MIDSTREAM_SIMULATOR_URL": NOWHERE}
    redis.say("CONFIG", "SET", "maxmemory", "1")
    try:
        status, said = ended(tmp_path, "doctor", env=env)
        assert (status, "OOM" in said) == (1, True), said
    finally:
        redis.say("CONFIG", "SET", "maxmemory", "0")
    # A snapshot cannot take the place of a folder: for Redis, its disk has failed.
    (redis.folder / "taken.rdb").mkdir()
    try:
        redis.say("BGSAVE")
        until(lambda: redis.say("SET", "a", "1").startswith("MISCONF"), 20)
        status, said = ended(tmp_path, "doctor", env=env)
        assert (status, "MISCONF" in said) == (1, True), said
    finally:
        (redis.folder / "taken.rdb").rmdir()
        redis.say("BGSAVE")
        until(lambda: redis.say("SET", "a", "1") == "OK", 20)
