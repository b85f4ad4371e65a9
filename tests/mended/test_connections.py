"""Connections to Redis: bounded, given back, and said where there are too many."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.redis_servers import RedisServer, open_connections
from tests.mended.running import Answer, until
from tests.mended.upstream import answer

MOST = 30
API, WORKER = 11, 13
"""What docs/operations.md says that each opens at most."""
BODY = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.timeout(300)
@pytest.mark.mended("redis-15")
def test_each_process_opens_as_many_as_the_page_says(start: Start, serve: Serve, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    (own,) = open_connections(redis.port, 1)
    try:
        env = serve({"m": answer()}).env | {"MIDSTREAM_REDIS_URL": redis.url}
        api = start(program="api", env=env)
        # Each POST waits for Redis, and so has a connection for itself where there is one.
        assert redis.say("CLIENT", "PAUSE", "2000", "WRITE") == "OK"
        with ThreadPoolExecutor(1) as posting:
            answers = posting.submit(api.calls, 60, "POST", "/v1/generations", BODY)
            until(lambda: clients(own) >= 1 + API or answers.done(), 20, api)
            assert clients(own) == 1 + API
        ids = [found.document["id"] for found in answers.result()]
        start(program="worker", env=env)
        most = 0
        for generation_id in ids:
            assert api.end(generation_id, 30)["state"] == "completed"
            most = max(most, clients(own))
        assert most <= 1 + API + WORKER
    finally:
        own.close()
        redis.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.mended("redis-15")
def test_a_burst_at_maxclients_leaves_nothing_stuck(start: Start, serve: Serve, tmp_path: Path) -> None:
    apis = 2
    redis = RedisServer(tmp_path / "redis", "--maxclients", str(MOST))
    (own,) = open_connections(redis.port, 1)  # to look at it where there is no room for another
    try:
        env = serve({"m": answer()}).env | {"MIDSTREAM_REDIS_URL": redis.url}
        start(program="worker", env=env)
        running = [start(program="api", env=env) for _ in range(apis)]
        answers: list[Answer] = []
        for each in running:
            answers += each.calls(60, "POST", "/v1/generations", BODY)
        taken = [found.document["id"] for found in answers if found.status == 202]
        refused = [found for found in answers if found.status != 202]
        assert {found.status for found in refused} <= {503}
        assert len(taken) > len(refused)
        for generation_id in taken:
            assert running[0].end(generation_id, 30)["state"] == "completed"
        # What the burst took is given back, but for one of each pool, and those that listen or wait.
        until(lambda: clients(own) <= 1 + 4 + 2 * apis, 30, running[0])
    finally:
        own.close()
        redis.kill()


@pytest.mark.timeout(300)
@pytest.mark.mended("redis-15")
def test_it_is_said_that_there_are_too_many(start: Start, serve: Serve, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis", "--maxclients", str(MOST))
    try:
        env = serve({"m": answer()}).env | {"MIDSTREAM_REDIS_URL": redis.url}
        worker = start(program="worker", env=env)
        api = start(program="api", env=env)
        taken = open_connections(redis.port, MOST)
        try:
            answers = api.calls(60, "POST", "/v1/generations", BODY)
            assert {found.status for found in answers} <= {202, 503}
            ids = [found.document["id"] for found in answers if found.status == 202]
            assert ids
            for generation_id in ids:
                assert api.end(generation_id, 30)["state"] == "completed"
            ready = api.call("GET", "/readyz")
            assert "maxclients" in ready.raw.decode(), ready
            doctor = api.cli("doctor")
            assert doctor.returncode == 1
            assert b"maxclients" in doctor.stdout, doctor.stdout
            until(lambda: "max number of clients reached" in api.output(), 10, api)
            assert api.output().count("max number of clients reached") <= 3
            assert "maxclients" in api.output()
            assert worker.process.poll() is None
        finally:
            for connection in taken:
                connection.close()
        until(lambda: api.call("GET", "/readyz").document["warning"] is None, 20, api)
    finally:
        redis.kill()


@pytest.mark.timeout(300)
@pytest.mark.mended("redis-15", guard=True)
def test_all_goes_on_when_there_is_room_again(start: Start, serve: Serve, tmp_path: Path) -> None:
    """Every connection is lost while others take all there are, as after a restart of Redis."""
    redis = RedisServer(tmp_path / "redis", "--maxclients", str(MOST))
    (own,) = open_connections(redis.port, 1)
    taken: list[socket.socket] = []
    try:
        env = serve({"m": answer()}).env | {"MIDSTREAM_REDIS_URL": redis.url, "MIDSTREAM_REDIS_TIMEOUT": "2"}
        start(program="worker", env=env)
        api = start(program="api", env=env)
        for _ in range(3):  # what reconnects in between is taken from it again
            own.sendall(b"CLIENT KILL TYPE normal\r\nCLIENT KILL TYPE pubsub\r\n")
            taken += open_connections(redis.port, MOST)
        answers = [api.call("POST", "/v1/generations", BODY) for _ in range(2)]
        assert any(found.status == 503 for found in answers), answers
        for connection in taken:
            connection.close()
        ids: list[str] = []

        def accepted() -> bool:
            found = api.call("POST", "/v1/generations", BODY)
            ids.extend([found.document["id"]] if found.status == 202 else [])
            return bool(ids)

        until(accepted, 20, api)
        assert api.end(ids[0], 30)["state"] == "completed"
        until(lambda: api.call("GET", "/readyz").document.get("warning", "") is None, 20, api)
    finally:
        for connection in (own, *taken):
            connection.close()
        redis.kill()


def clients(connection: socket.socket) -> int:
    """How many connections it has, by one of them."""
    connection.sendall(b"*2\r\n$4\r\nINFO\r\n$7\r\nclients\r\n")
    text = b""
    while b"connected_clients:" not in text or not text.endswith(b"\r\n"):
        text += connection.recv(65_536)
    return int(text.partition(b"connected_clients:")[2].partition(b"\r\n")[0])
