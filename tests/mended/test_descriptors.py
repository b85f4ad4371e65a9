"""File descriptors: the limit is raised, and where none is left no provider is blamed."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Serve, Start
from tests.mended.once import program
from tests.mended.running import Running, until
from tests.mended.upstream import answer


@pytest.fixture(scope="module")
def running(start_shared: Start, serve_shared: Serve) -> Running:
    upstream = serve_shared({"m": answer("Hello there")})
    # What a shell gives is no limit while more are allowed.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        return start_shared(upstream, env={"MIDSTREAM_RETRIES": "0"})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.mended("redis-17")
def test_no_descriptor_left_is_not_the_providers_fault(running: Running) -> None:
    (worker,) = (pid for pid in running.children("worker") if "midstream" in Path(f"/proc/{pid}/cmdline").read_text())
    now, most = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    assert now > 256, "the limit was not raised"
    # The connections to Redis stay open, and the provider closes its own after each answer.
    for generation in [running.ask("openai/m") for _ in range(4)]:
        assert running.end(generation)["state"] == "completed"
    taken = {int(name) for name in os.listdir(f"/proc/{worker}/fd")}
    free = next(number for number in range(10_000) if number not in taken)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (free, most))
    try:
        for _ in range(6):
            error = running.end(running.ask("openai/m"))["error"]
            assert error["code"] == "worker_exhausted", error
            assert error["retryable"] is True
            assert "provider" not in error["message"]
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (now, most))
    assert "circuit of" not in running.output()
    assert running.end(running.ask("openai/m"))["text"] == "Hello there"


@pytest.mark.mended("redis-17", guard=True)
def test_an_api_that_could_accept_no_connection_does_so_again(running: Running) -> None:
    (api,) = running.children("api")
    limits = resource.prlimit(api, resource.RLIMIT_NOFILE)
    resource.prlimit(api, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        for _ in range(3):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 5) as connection:
                connection.settimeout(1)
                connection.recv(1)
    finally:
        resource.prlimit(api, resource.RLIMIT_NOFILE, limits)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return running.call("GET", "/livez", timeout=2).status == 200
        return False

    until(answers, 10, running)
    assert running.children("api") == [api]


@pytest.mark.mended("redis-17")
def test_a_hard_limit_below_what_concurrency_needs_is_said(tmp_path: Path) -> None:
    env = {"MIDSTREAM_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:1"}
    with program(tmp_path, "worker", env=env, limits="-n 200") as worker:
        assert worker.says("file descriptors"), worker.output()
        until(lambda: "MIDSTREAM_CONCURRENCY=500 needs 628" in worker.output(), 5)
        assert worker.process.poll() is None
