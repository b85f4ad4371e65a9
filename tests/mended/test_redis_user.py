"""A user of Redis that may do less than all, a wake-up that fails, a server that is asked from outside, and SIGHUP."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from tests.mended.conftest import Start
from tests.mended.once import ended
from tests.mended.running import Running, until
from tests.mended.test_operation import Redis

RULE = "~midstream:* ~arq:* &midstream:* +@all -@dangerous +info"
"""As docs/deployment.md has it."""
MODEL = "simulator/lorem?deltas=3&rate=0"


class Pair(NamedTuple):
    """An API and a worker as the user `u` of a Redis of their own."""

    redis: Redis
    api: Running
    worker: Running
    env: dict[str, str]

    def permit(self, *rules: str) -> None:
        """From now on."""
        assert self.redis.say("ACL", "SETUSER", "u", *rules) == "OK"

    def complete(self, number: int, seconds: float) -> None:
        """So many generations, one after the other; each begins although the worker is idle, and ends in time."""
        for _ in range(number):
            assert self.api.end(self.api.ask(MODEL), seconds)["state"] == "completed"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, start_shared: Start) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    server = Redis(folder / "redis")
    server.say("ACL", "SETUSER", "u", "on", ">s3cr3t", *RULE.split())
    env = {"MIDSTREAM_REDIS_URL": f"redis://u:s3cr3t@127.0.0.1:{server.port}/0", "MIDSTREAM_LEASE": "1"}
    simulator = start_shared(program="simulator", arguments=["--port", "0"])
    until(lambda: "listening on" in simulator.output(), 20, simulator)
    env["MIDSTREAM_SIMULATOR_URL"] = simulator.output().partition("listening on ")[2].split()[0]
    api, worker = start_shared(program="api", env=env), start_shared(program="worker", env=env)
    yield Pair(server, api, worker, env)
    for running in (api, worker):
        running.stop()
    server.process.kill()
    server.process.wait(20)


@pytest.mark.mended("redis-16", guard=True)
def test_the_rule_of_the_documentation_is_enough(pair: Pair) -> None:
    pair.complete(1, 20)
    assert pair.api.call("DELETE", f"/v1/generations/{pair.api.ask(MODEL)}").status in (200, 204)
    assert pair.api.call("GET", "/v1/usage").status == 200


@pytest.mark.mended("redis-14")
def test_without_blocking_commands_what_waits_is_taken(pair: Pair) -> None:
    pair.permit("-@blocking")
    try:
        # The pop under way ends, and the next ones are refused.
        pair.complete(4, 15)
    finally:
        pair.permit("+@blocking")


@pytest.mark.mended("redis-14")
def test_a_wake_up_connection_that_is_cut_again_and_again_starves_nobody(pair: Pair) -> None:
    over = threading.Event()
    client: Any = redis.Redis(port=pair.redis.port)  # typed for one that does not await, too

    def cut() -> None:
        while not over.wait(0.05):
            for connection in client.client_list():
                if connection["cmd"] == "blpop":
                    with contextlib.suppress(redis.ResponseError):
                        client.client_kill(connection["addr"])

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        pair.complete(4, 15)
    finally:
        over.set()
        cutting.join()
        client.close()


@pytest.mark.mended("redis-14")
def test_a_list_of_wake_ups_that_cannot_be_written_refuses_nothing(pair: Pair) -> None:
    pair.permit("-lpush", "-ltrim")
    try:
        pair.complete(2, 15)
    finally:
        pair.permit("+lpush", "+ltrim")


@pytest.mark.mended("redis-16")
@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("resetchannels", "channel"),
        ("-publish", "publish"),
        ("-subscribe", "subscribe"),
        ("-evalsha", "evalsha"),
        ("-multi", "multi"),
        ("-zadd", "zadd"),
        ("-hincrby", "hincrby"),
        ("resetkeys ~midstream:*", "arq:*"),
        ("resetkeys ~arq:*", "midstream:*"),
    ],
)
def test_a_permission_that_is_missing_is_named(pair: Pair, tmp_path: Path, rule: str, named: str) -> None:
    assert pair.redis.say("ACL", "SETUSER", "v", "reset", "on", ">s3cr3t", *RULE.split(), *rule.split()) == "OK"
    env = pair.env | {"MIDSTREAM_REDIS_URL": f"redis://v:s3cr3t@127.0.0.1:{pair.redis.port}/0"}
    status, said = ended(tmp_path, "doctor", env=env)
    assert (status, named in said.lower()) == (1, True), said
    assert "s3cr3t" not in said
    if rule in ("resetchannels", "-evalsha"):
        for program in ("api", "worker"):
            status, said = ended(tmp_path, program, env=env)
            assert status == 2, said
            assert "MIDSTREAM_REDIS_URL" in said
            assert named in said.lower()
            assert "Traceback" not in said
            assert "s3cr3t" not in said


@pytest.mark.mended("redis-16")
@pytest.mark.parametrize("rule", ["-info", "-blpop", "-lpush", "-@dangerous", "-@blocking"])
def test_what_is_only_a_hint_is_one_warning(pair: Pair, tmp_path: Path, rule: str) -> None:
    assert pair.redis.say("ACL", "SETUSER", "v", "reset", "on", ">s3cr3t", *RULE.split(), rule) == "OK"
    env = pair.env | {"MIDSTREAM_REDIS_URL": f"redis://v:s3cr3t@127.0.0.1:{pair.redis.port}/0"}
    status, said = ended(tmp_path, "doctor", env=env)
    assert status == 0, said
    assert "no answer" not in said
    assert len([line for line in said.splitlines() if line.startswith("warn") and "permissions" in line]) == 1


@pytest.mark.mended("redis-16")
def test_the_queues_redis_is_tried_by_its_own_name(pair: Pair, tmp_path: Path) -> None:
    assert pair.redis.say("ACL", "SETUSER", "v", "reset", "on", ">s3cr3t", *RULE.split(), "-zadd") == "OK"
    env = pair.env | {"MIDSTREAM_QUEUE_URL": f"redis://v:s3cr3t@127.0.0.1:{pair.redis.port}/1"}
    status, said = ended(tmp_path, "worker", env=env)
    assert status == 2, said
    assert "MIDSTREAM_QUEUE_URL" in said
    assert "zadd" in said.lower()


@pytest.mark.mended("redis-19")
def test_doctor_asks_a_server_that_runs(pair: Pair, tmp_path: Path) -> None:
    status, said = ended(tmp_path, "doctor", "--url", pair.api.url)
    assert status == 0, said
    assert "1 alive" in said
    assert "simulator/" in said
    status, said = ended(tmp_path, "doctor", "--url", "http://127.0.0.1:1")
    assert status == 1, said
    assert "no answer" in said
    assert ended(tmp_path, "doctor", "--url", "127.0.0.1")[0] == 2
    # A server that is no Midstream.
    simulator = pair.env["MIDSTREAM_SIMULATOR_URL"]
    assert ended(tmp_path, "doctor", "--url", f"{simulator}/v1")[0] == 1


@pytest.mark.mended("redis-19")
def test_a_redis_that_refuses_is_not_one_that_does_not_answer(pair: Pair) -> None:
    assert pair.redis.say("REPLICAOF", "127.0.0.1", "1") == "OK"
    try:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
        answer = pair.api.call("POST", "/v1/generations", body)
        assert answer.status == 503
        assert "READONLY" in answer.document["detail"]
        status, said = ended(pair.api.folder, "doctor", env=pair.env)
        assert (status, "READONLY" in said) == (1, True), said
    finally:
        assert pair.redis.say("REPLICAOF", "NO", "ONE") == "OK"
    pair.complete(1, 30)


@pytest.mark.mended("redis-20")
def test_sighup_drains_as_sigterm_does(pair: Pair) -> None:
    generation = pair.api.ask("simulator/lorem?deltas=40&rate=20")
    until(lambda: pair.api.snapshot(generation)["state"] == "running", 20, pair.worker)
    began = time.monotonic()
    assert pair.worker.stop(signal.SIGHUP) == 0
    assert time.monotonic() - began < 15
    assert pair.api.snapshot(generation)["state"] == "completed"
    assert pair.api.stop(signal.SIGHUP) == 0
