"""Redis' clock is set, ten minutes ahead or back, under what runs, waits and was lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, until
from tests.mended.server import Server
from tests.mended.test_outages import on, posted, steady
from tests.mended.upstream import Upstream, answer

pytestmark = pytest.mark.timeout(150)
FAR = 600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    """A server with a clock of its own, that has been up for longer than a lease."""
    server = Server(tmp_path / "redis", sync="everysec", own_clock=True)
    client = server.client()
    until(lambda: client.info("server")["uptime_in_seconds"] >= 3)
    yield server
    with contextlib.suppress(ProcessLookupError):
        server.kill()


@pytest.fixture
def upstream(serve: Serve) -> Upstream:
    return serve({"quick": answer(), "long": steady(60, 0.2), "lost": steady(200, 0.5)})


def attempts(api: Running, generation_id: str) -> int:
    return [event.event for event in api.events(generation_id)].count("attempt")


def running(api: Running, *generation_ids: str) -> None:
    until(lambda: all(api.snapshot(one)["state"] == "running" for one in generation_ids), 30, api)


@pytest.mark.mended("redis-7")
def test_set_back_what_was_lost_and_what_waits_go_on(start: Start, store: Server, upstream: Upstream) -> None:
    variables = on(store, MIDSTREAM_LEASE="1", MIDSTREAM_CONCURRENCY="1")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    lost = posted(api, "lost", "lost").document["id"]
    running(api, lost)
    waits = [posted(api, "quick", f"waits {n}").document["id"] for n in range(3)]
    until(lambda: store.client().zcard("midstream:queue") == 4)
    os.killpg(worker.process.pid, signal.SIGKILL)
    store.set_clock(-FAR)
    upstream.scripts["lost"] = answer()
    start(upstream, env=variables, program="worker")
    for generation_id in (lost, *waits):
        assert api.end(generation_id, 25)["state"] == "completed"
    assert attempts(api, lost) == 2
    assert [attempts(api, one) for one in waits] == [1, 1, 1]
    # The line was as long as before, and what is cancelled in it ends.
    until(lambda: store.client().zcard("midstream:pending") == 0, 25, api)


@pytest.mark.nightly
@pytest.mark.mended("redis-7")
def test_a_living_worker_loses_nothing_to_one_that_begins(start: Start, store: Server, upstream: Upstream) -> None:
    """One that comes just after the clock was set sees leases of which it cannot know whether they have run out."""
    variables = on(store, MIDSTREAM_LEASE="45")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    ids = [posted(api, "long", f"key {n}").document["id"] for n in range(4)]
    running(api, *ids)
    os.killpg(worker.process.pid, signal.SIGSTOP)  # for less than a lease: it has no turn to renew
    store.set_clock(FAR)
    other = start(upstream, env=variables, program="worker")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.5)  # it has looked at the queue
    os.killpg(worker.process.pid, signal.SIGCONT)
    for generation_id in ids:
        assert api.end(generation_id, 60)["state"] == "completed", other.output()[-2000:]
    assert [attempts(api, one) for one in ids] == [1] * 4
    assert len(upstream.sent["long"]) == 4


@pytest.mark.nightly
@pytest.mark.mended("redis-7")
def test_back_and_forth_nothing_is_lost_and_the_sweeper_goes_on(
    start: Start, store: Server, upstream: Upstream
) -> None:
    """Two workers and a clock that jumps under them; then what nobody has is found as before."""
    variables = on(store, MIDSTREAM_LEASE="2")
    api = start(upstream, env=variables, program="api")
    for _ in range(2):
        start(upstream, env=variables, program="worker")
    ids = [posted(api, "long", f"key {n}").document["id"] for n in range(6)]
    running(api, *ids)
    for at in (FAR, 0, -FAR):
        store.set_clock(at)
        began = time.monotonic()
        until(lambda began=began: time.monotonic() - began > 2.2)
        assert api.end(posted(api, "quick", f"at {at}").document["id"], 10)["state"] == "completed"
    for generation_id in ids:
        assert api.end(generation_id, 60)["state"] == "completed"
    assert [attempts(api, one) for one in ids] == [1] * 6
    redis = store.client()
    until(lambda: redis.zcard("midstream:pending") == 0, 30, api)
    # As a worker would have left it that died before it had settled it, just before the clock was set back.
    redis.zadd("midstream:pending", {ids[0]: (time.time() + FAR) * 1000})
    until(lambda: redis.zcard("midstream:pending") == 0, 30, api)


@pytest.mark.mended("redis-7")
def test_another_lease_is_told_at_start(start: Start, store: Server) -> None:
    api = start(env=on(store), program="api")
    until(lambda: store.client().exists("midstream:lease"), 10, api)
    worker = start(env=on(store, MIDSTREAM_LEASE="7"), program="worker")
    until(lambda: "MIDSTREAM_LEASE is 7 s here and 5 s" in worker.output(), 10, worker)
    same = start(env=on(store, MIDSTREAM_LEASE="7"), program="worker")
    assert "MIDSTREAM_LEASE is" not in same.output()
    assert "MIDSTREAM_LEASE is" not in api.output()
