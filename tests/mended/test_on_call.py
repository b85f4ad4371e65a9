"""What `doctor`, `top` and `GET /v1/status` tell whoever is on call: of processes that are well, and of broken ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.ports import free_port
from tests.harness.repository import ROOT
from tests.mended.conftest import Serve, Start
from tests.mended.redis_servers import RedisServer
from tests.mended.running import Running, executable, until
from tests.mended.upstream import DONE, Script, answer, chunk

OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")

mended = pytest.mark.mended("customers-on-call")

SLOW = "simulator/lorem?deltas=600&rate=10"
"""A minute's answer."""


class Told:
    """What `doctor --json` wrote."""

    def __init__(self, running: Running, *arguments: str, **env: str) -> None:
        local = [] if "--url" in arguments or "MIDSTREAM_REDIS_URL" in running.env else ["--data-dir", "data"]
        port = {"MIDSTREAM_PORT": str(running.port)}
        self.ended = running.cli("doctor", "--json", *local, *arguments, env=port | env)
        self.document: dict[str, Any] = json.loads(self.ended.stdout)
        self.status: Any = self.document["status"]

    @property
    def code(self) -> int:
        """The exit status, which the document says too."""
        assert self.document["ok"] is (self.ended.returncode == 0)
        return int(self.ended.returncode)

    def state(self, subject: str) -> str:
        """Level and state of what was found on a subject."""
        (found,) = (one for one in self.document["findings"] if one["subject"] == subject)
        return f"{found['level']} {found['state']}"


def ways(running: Running) -> list[list[str]]:
    """By the settings, and from outside."""
    return [[], ["--url", running.url]]


def stopped(running: Running) -> list[int]:
    """Its workers, which stand still from now on."""
    pids = running.children("worker")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


@pytest.mark.nightly
@mended
def test_a_stopped_worker_with_twenty_waiting_is_a_failure_at_once(start: Start) -> None:
    running = start()
    for way in ways(running):
        assert Told(running, *way).code == 0
    pids = stopped(running)
    try:
        for _ in range(20):
            running.ask("simulator/echo")
        # It counts as alive for a lease, and doctor does not wait for others to say that it does not.
        told = Told(running)
        assert told.code == 1
        assert told.state("workers") == "fail none is alive, and 20 generations wait"
        assert told.status["queue"]["waiting"] == 20
        assert told.status["queue"]["oldest_wait_ms"] > 0
        outside = Told(running, "--url", running.url)
        assert outside.code == 1
        assert outside.state("workers") == "fail none is alive, and 20 generations wait"
        text = running.cli("doctor", "--url", running.url)
        assert text.returncode == 1
        assert b"fail workers: none is alive, and 20 generations wait" in text.stdout
        assert b"20 wait" in running.cli("top", "--data-dir", "data").stdout
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    until(lambda: Told(running).code == 0, 30, running)


@pytest.mark.nightly
@mended
def test_what_is_told_of_a_busy_server_is_true(start: Start) -> None:
    running = start(env={"MIDSTREAM_CONCURRENCY": "3"})
    for _ in range(5):
        running.ask(SLOW)
    until(lambda: running.call("GET", "/v1/status").document["queue"]["running"] == 3, 20, running)
    for way in ways(running):
        told = Told(running, *way)
        assert told.code == 0
        queue = told.status["queue"]
        assert (queue["waiting"], queue["running"], queue["pending"]) == (2, 3, 5)
        assert told.status["leases"] == {"lease_ms": 5000, "run_out": 0, "longest_run_out_ms": None}
        (worker,) = told.status["workers"]["each"]
        assert str(running.children("worker")[0]) in worker["name"].split(":")
        assert told.status["workers"]["places"] == 3
        (facts,) = told.status["redis"]
        assert (facts["server"], facts["append_only"], facts["append_fsync"]) == ("Valkey", True, "everysec")
        assert (facts["eviction"], facts["append_failed"]) == ("noeviction", False)
    counts = running.call("GET", "/v1/status").document["counts"]
    assert (counts["started"], counts["ended"]) == (3, 0)
    top = running.cli("top", "--data-dir", "data").stdout.decode()
    assert "2 wait" in top
    assert "3 run" in top


@pytest.mark.nightly
@mended
def test_a_line_that_waits_by_its_owners_share_is_no_failure(start: Start) -> None:
    keys = {"ann": "ann-key-of-sixteen-chars", "bob": "bob-key-of-sixteen-chars"}
    named = ",".join(f"{owner}:{key}" for owner, key in keys.items())
    running = start(env={"MIDSTREAM_CONCURRENCY": "5", "MIDSTREAM_API_KEYS": named, "MIDSTREAM_LEASE": "1"})
    for _ in range(7):
        running.ask(SLOW, {"Authorization": f"Bearer {keys['ann']}"})
    until(lambda: Told(running).status["queue"]["running"] == 4, 20, running)
    # As long as it would take for a line that nobody takes from.
    until(lambda: Told(running).status["queue"]["oldest_wait_ms"] > 10_500, 30, running)
    told = Told(running)
    assert told.code == 0
    assert told.state("queue").startswith("ok 3 wait, 4 run; ")
    (line,) = told.status["lines"]["longest"]
    assert (line["owner"], line["waiting"], line["running"], line["most_running"]) == ("ann", 3, 4, 4)
    assert b"ann" in running.cli("top", "--data-dir", "data").stdout


@mended
def test_runs_that_end_are_counted(start: Start) -> None:
    running = start()
    for _ in range(4):
        running.end(running.ask("simulator/echo"))
    until(lambda: running.call("GET", "/v1/status").document["counts"] == {"started": 4, "ended": 4}, 20, running)
    (provider,) = running.call("GET", "/v1/status").document["providers"]
    assert (provider["provider"], provider["failed"]) == ("simulator", None)
    assert provider["answered_ms_ago"] < 60_000


@mended
def test_a_provider_that_fails_is_a_failure_until_it_answers(start: Start, serve: Serve) -> None:
    broken = Script([b'{"error": {"message": "secret words of theirs"}}'], status=500, type="application/json")
    upstream = serve({"m": [broken, broken, answer("fine")], "no": Script([b"{}"], status=400)})
    running = start(upstream, env={"MIDSTREAM_RETRIES": "0"})
    for _ in range(2):
        assert running.end(running.ask("openai/m"))["state"] == "failed"
    running.end(running.ask("openai/no"))
    subject = "provider openai, answers"
    until(lambda: Told(running).code == 1, 20, running)
    for way in ways(running):
        told = Told(running, *way)
        assert told.code == 1
        assert told.state(subject).startswith("fail last failure ")
        assert "(provider_error, openai/m), has not answered yet" in told.state(subject)
        assert b"secret words" not in told.ended.stdout
    assert b"provider_error" in running.cli("top", "--data-dir", "data").stdout
    assert running.end(running.ask("openai/m"))["state"] == "completed"
    until(lambda: Told(running).code == 0, 20, running)
    assert Told(running).state(subject).startswith("ok answered ")
    assert "last failure" in Told(running).state(subject)


@mended
def test_an_open_circuit_is_told(start: Start, serve: Serve) -> None:
    upstream = serve({"m": Script([b"{}"], status=503)})
    env = {"MIDSTREAM_RETRIES": "0", "MIDSTREAM_CIRCUIT_FAILURES": "2", "MIDSTREAM_CIRCUIT_PAUSE": "60"}
    running = start(upstream, env=env)
    for _ in range(2):
        running.end(running.ask("openai/m"))
    until(lambda: b"its circuit is open for" in Told(running).ended.stdout, 20, running)
    (provider,) = running.call("GET", "/v1/status").document["providers"]
    assert 30_000 < provider["circuit_open_ms"] <= 60_000


def redis(folder: Path, *directives: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *directives)
    yield server
    server.process.kill()
    server.process.wait(20)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    yield from redis(tmp_path / "redis")


@pytest.fixture
def another(tmp_path: Path) -> Iterator[RedisServer]:
    yield from redis(tmp_path / "another")


@pytest.mark.nightly
@mended
def test_each_redis_is_judged_where_the_queue_has_its_own(
    start: Start, valkey: RedisServer, another: RedisServer
) -> None:
    env = {"MIDSTREAM_REDIS_URL": valkey.url, "MIDSTREAM_QUEUE_URL": another.url}
    running = start(program="api", env=env)
    start(program="worker", env=env)
    for way in ways(running):
        assert Told(running, *way).code == 0
    another.say("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    told, outside = Told(running), Told(running, "--url", running.url)
    assert (told.code, outside.code) == (1, 1)
    assert told.state("queue's Redis, eviction") == "fail allkeys-lru"
    assert told.state("Redis, eviction") == "ok noeviction"
    assert outside.state("Redis of queue, eviction") == "fail allkeys-lru"
    assert outside.state("Redis of logs, eviction") == "ok noeviction"
    another.say("CONFIG", "SET", "maxmemory-policy", "noeviction")
    used = int(next(line for line in valkey.say("INFO", "memory").splitlines() if line.startswith("used_memory:"))[12:])
    valkey.say("CONFIG", "SET", "maxmemory", str(int(used * 1.05)))
    assert Told(running).state("Redis, memory").startswith("fail ")
    assert Told(running, "--url", running.url).state("Redis of logs, memory").startswith("fail ")


@mended
def test_a_killed_worker_leaves_leases_that_run_out(start: Start, serve: Serve, valkey: RedisServer) -> None:
    upstream = serve({"m": Script([chunk({"content": "begun "}), 60.0, chunk({}, "stop"), DONE])})
    env = {"MIDSTREAM_REDIS_URL": valkey.url, "MIDSTREAM_LEASE": "1"}
    running = start(upstream, program="api", env=env)
    worker = start(upstream, program="worker", env=env)
    running.ask("openai/m")
    until(lambda: running.call("GET", "/v1/status").document["queue"]["running"] == 1, 20, running)
    worker.process.kill()
    worker.process.wait()
    until(lambda: running.call("GET", "/v1/status").document["leases"]["run_out"] == 1, 20, running)
    told = Told(running)
    assert told.code == 1
    assert told.state("workers") == "fail none is alive, and 1 generation waits"
    assert told.status["leases"]["longest_run_out_ms"] >= 0


@mended
@pytest.mark.redis7
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_on_debians_redis(start: Start, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "redis7").mkdir()
    words = [
        "redis-server",
        "--port",
        str(port),
        "--dir",
        str(tmp_path / "redis7"),
        "--appendonly",
        "yes",
        "--save",
        "",
    ]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            env = {"MIDSTREAM_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
            running = start(program="api", env=env)
            start(program="worker", env=env)
            for way in ways(running):
                told = Told(running, *way)
                assert told.code == 0
                (facts,) = told.status["redis"]
                assert (facts["server"], facts["version"].rpartition(".")[0]) == ("Redis", "7.0")
            subprocess.run(
                ["redis-cli", "-p", str(port), "config", "set", "maxmemory-policy", "allkeys-lru"],
                check=True,
                capture_output=True,
            )
            for way in ways(running):
                told = Told(running, *way)
                assert told.code == 1
                assert [one["subject"] for one in told.document["findings"] if one["level"] == "fail"] == [
                    "Redis of logs and queue, eviction" if way else "Redis, eviction"
                ]
        finally:
            server.kill()


@mended
def test_a_usual_key_sees_no_more_than_whether_a_worker_is_alive(start: Start) -> None:
    running = start(env={"MIDSTREAM_API_KEYS": "ann:a-key-of-sixteen-chars"})
    headers = {"Authorization": "Bearer a-key-of-sixteen-chars"}
    assert running.call("GET", "/v1/status").status == 401
    refused = running.call("GET", "/v1/status", headers=headers)
    assert (refused.status, refused.document["code"]) == (403, "insufficient_scope")
    key = {"MIDSTREAM_KEY": "a-key-of-sixteen-chars"}
    told = Told(running, "--url", running.url, **key)
    assert (told.code, told.status) == (0, None)
    assert told.state("its workers") == "ok 1 alive"
    ended = running.cli("top", "--url", running.url, env=key)
    assert ended.returncode == 4
    assert b"admin" in ended.stderr
    pids = stopped(running)
    try:
        until(lambda: running.call("GET", "/readyz").document["workers"] == 0, 20, running)
        assert Told(running, "--url", running.url, **key).code == 1
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.nightly
@mended
def test_a_key_of_the_scope_admin_sees_it_from_outside(start: Start) -> None:
    running = start(env={"MIDSTREAM_KEYS": "redis"})
    made = running.cli("keys", "create", "ops", "--scope", "admin", "--data-dir", "data")
    key = {"MIDSTREAM_KEY": made.stdout.decode().strip()}
    told = Told(running, "--url", running.url, **key)
    assert told.code == 0, told.document
    assert told.status["workers"]["alive"] == 1
    assert "none has run out" in told.state("leases")
    top = running.cli("top", "--json", "--once", "--url", running.url, env=key)
    assert json.loads(top.stdout)["workers"]["alive"] == 1


@mended
def test_a_redis_that_is_away_is_told_as_ever(start: Start, valkey: RedisServer) -> None:
    running = start(program="api", env={"MIDSTREAM_REDIS_URL": valkey.url})
    valkey.process.kill()
    valkey.process.wait()
    told = Told(running)
    assert told.code == 1
    assert told.status is None
    assert told.state("Redis").startswith("fail no answer at redis://127.0.0.1")
    assert [one["subject"] for one in told.document["findings"] if one["level"] == "fail"] == ["Redis"]
    assert told.ended.stderr == b""
    outside = Told(running, "--url", running.url)
    assert outside.code == 1
    assert outside.state("its Redis").startswith("fail ")


ALERTS = re.findall(r"^### (Midstream\w+)\n(.*?)(?=^##)", OPERATIONS, re.MULTILINE | re.DOTALL)


@mended
def test_each_command_of_the_alerts_runs(start: Start, valkey: RedisServer, tmp_path: Path) -> None:
    simulator = start(program="simulator", arguments=["--port", "0"])
    address = str(until(lambda: re.search(r"http://\S+", simulator.output()), 20, simulator)[0])
    env = {"MIDSTREAM_REDIS_URL": valkey.url, "MIDSTREAM_SIMULATOR_URL": address}
    running = start(program="api", env=env)
    worker = start(program="worker", env=env)
    running.end(running.ask("simulator/lorem?fault=500"))
    running.end(running.ask("simulator/echo"))
    until(lambda: Told(running).code == 0, 20, running)
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "api.log").write_text(running.output() + "INFO cut a viewer\n")
    (folder / "worker.log").write_text(worker.output() + "append failed, before the first event\n")
    (folder / "midstream").write_text(f'#!/bin/sh\nexec {executable()} "$@"\n')
    (folder / "midstream").chmod(0o700)
    variables = running.env | {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "MIDSTREAM_QUEUE_URL": valkey.url,
        "MIDSTREAM_URL": running.url,
        "MIDSTREAM_KEY": "any-key-of-sixteen-chars",
        "MIDSTREAM_PORT": str(running.port),
        "MODEL": "simulator/echo",
    }
    said = {}
    for alert, text in ALERTS:
        commands = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
        assert commands, alert
        for command in dict.fromkeys(commands):
            if command in said:
                continue
            if command.startswith("midstream worker"):  # runs until it is ended
                more = start(program="worker", arguments=command.split()[2:], env=env)
                assert more.stop() == 0
                said[command] = b""
                continue
            ended = subprocess.run(["sh", "-c", command], env=variables, cwd=folder, capture_output=True, timeout=60)
            assert ended.returncode == 0, (command, ended)
            assert ended.stderr == b"" or "chat" in command, (command, ended.stderr)
            assert ended.stdout or "SLOWLOG" in command, command
            said[command] = ended.stdout
    assert any(b"provider_error" in out for command, out in said.items() if "code=" in command)


def test_each_alert_has_its_section() -> None:
    assert [alert for alert, _ in ALERTS] == [
        "MidstreamNoWorker", "MidstreamQueueWaits", "MidstreamProviderFails", "MidstreamFirstTokenSlow",
        "MidstreamViewersCut", "MidstreamRedisSlow", "MidstreamRedisAway", "MidstreamLimited", "MidstreamCostRises",
        "MidstreamAppendSlow",
    ]  # fmt: skip
    for alert, text in ALERTS:
        for word in ("**Means**: ", "**Users see**: ", "**Do**: "):
            assert word in text, (alert, word)
