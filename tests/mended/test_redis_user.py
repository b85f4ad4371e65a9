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
from tests.mended.once import ended, program
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

    def other(self, name: str, rules: str) -> str:
        """The address of another user, who may do less than the documentation's rule."""
        rule = (*RULE.split(), *rules.split())
        assert self.redis.say("ACL", "SETUSER", name, "reset", "on", ">s3cr3t", *rule) == "OK"
        return f"redis://{name}:s3cr3t@127.0.0.1:{self.redis.port}/0"

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
def test_what_is_missing_is_named_with_its_variable(pair: Pair, tmp_path: Path) -> None:
    """Two users at a time: one of the logs' Redis, and one of the queue's, which is the same server here."""
    for one, two, named in (
        ("-multi", "resetchannels -evalsha -zadd -hincrby", ("MULTI", "EVALSHA", "ZADD", "HINCRBY", "channels")),
        (
            "resetkeys ~arq:* -publish -subscribe",
            "resetkeys ~midstream:*",
            ("PUBLISH", "SUBSCRIBE", "keys midstream:*", "keys arq:*"),
        ),
    ):
        env = pair.env | {"MIDSTREAM_REDIS_URL": pair.other("one", one), "MIDSTREAM_QUEUE_URL": pair.other("two", two)}
        status, said = ended(tmp_path, "doctor", env=env)
        lines = [line for line in said.splitlines() if line.startswith("fail") and "permissions" in line]
        assert (status, len(lines)) == (1, 2), said
        assert all(name in "".join(lines) for name in named), said
        assert "s3cr3t" not in said
    for name, setting, rule in (
        ("api", "MIDSTREAM_REDIS_URL", "resetchannels"),
        ("worker", "MIDSTREAM_QUEUE_URL", "-evalsha"),
    ):
        status, said = ended(tmp_path, name, env=pair.env | {setting: pair.other("one", rule)})
        assert status == 2, said
        assert setting in said
        assert ("channel" if rule == "resetchannels" else "EVALSHA") in said
        assert "Traceback" not in said
        assert "s3cr3t" not in said


@pytest.mark.mended("redis-16")
def test_what_is_only_a_hint_is_one_warning(pair: Pair, tmp_path: Path) -> None:
    env = pair.env | {
        "MIDSTREAM_REDIS_URL": pair.other("one", "-@dangerous"),
        "MIDSTREAM_QUEUE_URL": pair.other("two", "-@blocking -info -lpush"),
    }
    status, said = ended(tmp_path, "doctor", env=env)
    assert status == 0, said
    assert "no answer" not in said
    assert len([line for line in said.splitlines() if line.startswith("warn") and "permissions" in line]) == 2


@pytest.mark.mended("redis-16")
def test_a_user_who_comes_later_is_told_of_what_is_missing_then(pair: Pair, tmp_path: Path) -> None:
    """A Redis that lets nobody in at the start is no reason to stop, and no reason never to look."""
    env = pair.env | {"MIDSTREAM_REDIS_URL": pair.other("late", "off")}
    with program(tmp_path, "worker", env=env) as worker:
        assert worker.says("refuses"), worker.output()
        pair.other("late", "-zadd")
        assert worker.says("ACL SETUSER"), worker.output()
        (line,) = [line for line in worker.output().splitlines() if "ACL SETUSER" in line]
        assert "ERROR" in line
        assert "MIDSTREAM_REDIS_URL" in line
        assert "ZADD" in line
        assert worker.process.poll() is None


@pytest.mark.mended("redis-19")
def test_doctor_asks_a_server_that_runs(pair: Pair, tmp_path: Path) -> None:
    status, said = ended(tmp_path, "doctor", "--url", pair.api.url)
    assert status == 0, said
    assert "1 alive" in said
    assert "simulator/" in said
    status, said = ended(tmp_path, "doctor", "--url", "http://127.0.0.1:1")
    assert status == 1, said
    assert "no answer" in said
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
