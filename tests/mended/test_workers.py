"""What a worker does not hear, does not know, and is cut off from while others' errors go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import until
from tests.mended.server import Server
from tests.mended.test_outages import on, posted, steady
from tests.mended.upstream import Script, answer, chunk

pytestmark = pytest.mark.mended("redis-13")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    """A server that has been up for longer than a lease."""
    server = Server(tmp_path / "redis", sync="everysec")
    client = server.client()
    until(lambda: client.info("server")["uptime_in_seconds"] >= 5)
    yield server
    with contextlib.suppress(ProcessLookupError):
        server.kill()


@contextlib.contextmanager
def again_and_again(what: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do it on a thread, while inside."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            what()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_steady_cancels_do_not_hide_one_that_was_not_heard(start: Start, serve: Serve, store: Server) -> None:
    """Its publication was lost, and its provider is silent."""
    upstream = serve({"silent": Script([chunk({"content": "a"}), 40])})
    api = start(upstream, env=on(store), program="api")
    start(upstream, env=on(store), program="worker")
    generation = posted(api, "silent", "k").document["id"]
    until(lambda: api.snapshot(generation)["text"] == "a", 30, api)
    redis, others = store.client(), store.client()
    with again_and_again(lambda: others.publish("midstream:interrupts", "gen_" + "a" * 32), 0.1):
        redis.hset(f"midstream:{{{generation}}}:record", "cancel", "1")
        assert api.end(generation, 10)["state"] == "cancelled"


def test_what_a_newer_midstream_asks_waits_for_a_newer_worker(start: Start, serve: Serve, store: Server) -> None:
    upstream = serve({"m": answer()})
    variables = on(store, MIDSTREAM_LEASE="1")
    api = start(upstream, env=variables, program="api")
    ids = [posted(api, "m", f"key {n}").document["id"] for n in range(2)]
    redis = store.client()
    keys = [f"midstream:{{{generation}}}:record" for generation in ids]
    ours = [redis.hget(key, "request") for key in keys]
    newer = [json.loads(request) for request in ours]
    newer[0]["novelty"] = True
    newer[1]["messages"][0]["content"] = [{"type": "smell", "smell": "rose"}]
    for key, request in zip(keys, newer, strict=True):
        redis.hset(key, "request", json.dumps(request))
    worker = start(upstream, env=variables, program="worker")
    until(lambda: "newer" in worker.output() or "failed" in [api.snapshot(one)["state"] for one in ids], 20, worker)
    until(lambda: redis.hlen("midstream:queue:leases") == 2 or upstream.sent["m"], 20, worker)
    assert [api.snapshot(one)["state"] for one in ids] == ["queued"] * 2
    assert not upstream.sent["m"]
    # A worker that knows it finds it where it was.
    for key, request in zip(keys, ours, strict=True):
        redis.hset(key, "request", request)
    assert [api.end(one, 20)["state"] for one in ids] == ["completed"] * 2


def test_what_waits_does_not_wait_for_the_end_of_others_errors(start: Start, serve: Serve, store: Server) -> None:
    upstream = serve({"m": steady(2, 0.1)})
    variables = on(store, MIDSTREAM_LEASE="3")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    redis, others = store.client(), store.client()

    def cut() -> None:
        for client in others.client_list():
            if client["cmd"] == "blpop":
                others.client_kill_filter(_id=client["id"])

    until(lambda: any(client["cmd"] == "blpop" for client in redis.client_list()), 10, worker)
    os.killpg(worker.process.pid, signal.SIGSTOP)
    cut()  # first: else its wake-up would be with it already
    waits = posted(api, "m", "k").document["id"]
    os.killpg(worker.process.pid, signal.SIGCONT)
    with again_and_again(cut, 0.4):
        assert api.end(waits, 12)["state"] == "completed"
