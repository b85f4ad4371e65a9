"""Redis is away, frozen or has lost its last second, one of two or both, for longer than anything was remembered."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Answer, Event, Running, parsed, until
from tests.mended.server import Server
from tests.mended.upstream import CUT, DONE, Script, answer, chunk, counted

NewServer = Callable[..., Server]
OUTAGE = 67.0
"""Seconds: longer than the minute after which what was promised used to be forgotten."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NewServer]:
    """Starts a server, which syncs each second, in a folder of its own."""
    started: list[Server] = []

    def new(**options: Any) -> Server:
        started.append(Server(tmp_path / f"redis-{len(started)}", sync="everysec", **options))
        return started[-1]

    yield new
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            one.process.send_signal(signal.SIGCONT)
            one.kill()


def on(store: Server, queue: Server | None = None, **more: str) -> dict[str, str]:
    urls = {"MIDSTREAM_REDIS_URL": store.url, "OPENAI_API_KEY": "k"}
    return urls | ({"MIDSTREAM_QUEUE_URL": queue.url} if queue else {}) | more


def posted(api: Running, model: str, key: str) -> Answer:
    body = {"model": f"openai/{model}", "messages": [{"role": "user", "content": "hi"}]}
    return api.call("POST", "/v1/generations", body, {"Idempotency-Key": key})


def steady(count: int, pause: float) -> Script:
    """An answer of so many deltas, one at a time."""
    said: list[object] = [chunk({"content": "x"})]
    for _ in range(count - 1):
        said += [pause, chunk({"content": "x"})]
    return Script([*said, chunk({}, "stop"), counted(5, 7), DONE])


def stays(store: Server) -> None:
    """What is written from now on is lost at a crash within the next seconds."""
    store.delay = 6


class Viewer:
    """Follows a generation on a thread; `at` has when each block came."""

    def __init__(self, api: Running, generation_id: str) -> None:
        self.at: list[float] = []
        self.text = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        self._connection.request("GET", f"/v1/generations/{generation_id}/events")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # An API that is killed resets it.
        with contextlib.closing(self._connection), contextlib.suppress(ConnectionError, http.client.HTTPException):
            response = self._connection.getresponse()
            while piece := response.read1(65_536):
                self.at.append(time.monotonic())
                self.text += piece.decode()

    def longest_gap(self, since: float) -> float:
        """Seconds without a byte, from then to now."""
        at = [since, *(moment for moment in self.at if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(at))

    def over(self) -> bool:
        """Whether the stream has ended."""
        return not self._thread.is_alive()

    @property
    def events(self) -> list[Event]:
        return list(parsed(self.text))


@pytest.mark.mended("redis-3")
def test_a_frozen_queue_stops_no_delta(start: Start, serve: Serve, server: NewServer) -> None:
    upstream = serve({"long": steady(90, 0.2), "short": answer()})
    store, queue = server(), server()
    variables = on(store, queue, MIDSTREAM_LEASE="1", MIDSTREAM_REDIS_TIMEOUT="1")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    long = posted(api, "long", "l").document["id"]
    viewer = Viewer(api, long)
    until(lambda: "delta" in viewer.text, 30, worker)
    assert api.end(posted(api, "short", "s").document["id"])["state"] == "completed"
    queue.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    # What follows the short one's end comes 2 s after it, and leases run out.
    until(lambda: time.monotonic() - began > 9, 12)
    gap = viewer.longest_gap(began)
    queue.process.send_signal(signal.SIGCONT)
    assert gap < 2, f"no delta for {gap:.1f} s"
    assert api.end(long)["state"] == "completed"
    until(viewer.over, 10, api)
    assert [event.event for event in api.events(long)].count("attempt") == 1
    listed = api.call("GET", "/v1/generations").document["data"]
    assert len(listed) == 2


@pytest.mark.mended("redis-3")
def test_nor_does_it_stop_the_next_attempt(start: Start, serve: Serve, server: NewServer) -> None:
    broken = Script([chunk({"content": "x"}), 1.0, CUT])
    upstream = serve({"m": [broken, steady(20, 0.2)]})
    store, queue = server(), server()
    variables = on(store, queue, MIDSTREAM_LEASE="2", MIDSTREAM_REDIS_TIMEOUT="2")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    viewer = Viewer(api, posted(api, "m", "k").document["id"])
    until(lambda: "delta" in viewer.text, 30, worker)
    queue.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: viewer.text.count("event: attempt") == 2, 5, worker)
    finally:
        queue.process.send_signal(signal.SIGCONT)
    until(viewer.over, 20, api)
    assert "event: completed" in viewer.text


@pytest.mark.mended("redis-4")
def test_a_refused_request_is_not_restored_in_anothers_place(start: Start, server: NewServer) -> None:
    """The node that accepted it dies together with Redis; the other one has only refused."""
    store = server()
    first, second = (start(env=on(store), program="api") for _ in range(2))
    stays(store)
    accepted = posted(first, "a", "k")
    refused = posted(second, "b", "k")
    later = posted(second, "c", "other").document["id"]
    first.process.kill()
    store.crash()
    assert (accepted.status, refused.status) == (202, 422)
    assert refused.document["code"] == "idempotency_key_reused"
    store.delay = 0
    store.start()
    # What it accepted itself it restores after all that it remembers from before.
    until(lambda: second.call("GET", f"/v1/generations/{later}").status == 200, 30, second)
    assert second.call("GET", f"/v1/generations/{accepted.document['id']}").status != 200
    assert posted(second, "a", "k").status == 202


@pytest.mark.mended("redis-4", guard=True)
def test_the_accepted_one_is(start: Start, server: NewServer) -> None:
    store = server()
    api = start(env=on(store), program="api")
    stays(store)
    accepted = posted(api, "a", "k")
    assert posted(api, "b", "k").status == 422
    store.crash()
    store.delay = 0
    store.start()
    path = f"/v1/generations/{accepted.document['id']}"
    until(lambda: api.call("GET", path).status == 200, 30, api)
    assert api.call("GET", path).document["model"] == "openai/a"


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.mended("redis-5")
def test_a_long_outage_that_loses_the_last_second(start: Start, serve: Serve, server: NewServer) -> None:
    """Of what was accepted, of what was seen to complete, and of what was both, in that second."""
    go_on, goes = threading.Event(), [0]

    def waits(_: object) -> Script:
        # The first time it ends when it is told to, and whoever asks again is answered differently.
        goes[0] += 1
        said = "first" if goes[0] == 1 else f"again {goes[0]}"

        def body() -> Iterator[object]:
            yield chunk({"content": said})
            go_on.wait(60)
            yield from answer(" end").body

        return Script(body())

    upstream = serve({"quick": answer(), "waits": waits, "slow": steady(8, 1.0)})
    store = server()
    api = start(upstream, env=on(store), program="api")
    start(upstream, env=on(store), program="worker")
    seen = posted(api, "waits", "seen").document["id"]
    viewer = Viewer(api, seen)
    until(lambda: "first" in viewer.text, 30, api)
    until(lambda: store.on_disk(seen.encode()), 10, api)
    stays(store)
    go_on.set()
    both = posted(api, "quick", "both").document["id"]
    slow = posted(api, "slow", "slow").document["id"]
    viewers = {seen: viewer, both: Viewer(api, both)}
    until(lambda: all("event: completed" in one.text for one in viewers.values()), 5, api)
    store.crash()
    began = time.monotonic()
    until(lambda: time.monotonic() - began > OUTAGE, OUTAGE + 5)
    store.delay = 0
    store.start()
    missing = []

    def known(generation_id: str) -> bool:
        status = api.call("GET", f"/v1/generations/{generation_id}").status
        missing.extend([generation_id] if status == 404 else [])
        return status == 200

    until(lambda: all(known(one) for one in (seen, both, slow)) or missing, 40, api)
    assert not missing, "it was accepted"
    assert api.end(slow, 60)["state"] == "completed"
    for generation_id, one in viewers.items():
        assert api.end(generation_id)["state"] == "completed"
        assert [e.id for e in api.events(generation_id) if e.id] == [e.id for e in one.events if e.id]
    assert len(upstream.sent["waits"]) == len(upstream.sent["quick"]) == 1


@pytest.mark.mended("redis-6")
def test_a_queue_of_its_own_that_lost_its_last_second(start: Start, serve: Serve, server: NewServer) -> None:
    upstream = serve({"m": answer()})
    store, queue = server(), server()
    variables = on(store, queue, MIDSTREAM_LEASE="1")
    api = start(upstream, env=variables, program="api")
    stays(queue)
    accepted = [posted(api, "m", f"key {n}").document["id"] for n in range(3)]
    queue.crash()
    queue.delay = 0
    queue.start()
    start(upstream, env=variables, program="worker")
    for generation_id in accepted:
        assert api.end(generation_id, 40)["state"] == "completed"
        assert [event.event for event in api.events(generation_id)].count("attempt") == 1
    listed = api.call("GET", "/v1/generations").document["data"]
    assert {one["id"] for one in listed} == set(accepted)
    until(lambda: queue.client().zcard("midstream:pending") == 0, 30, api)
    assert queue.client().zcard("midstream:queue") == 0


@pytest.mark.mended("redis-6")
def test_what_only_the_log_remembers_is_found_there(start: Start, serve: Serve, server: NewServer) -> None:
    """The queue's Redis has lost it, and the node that accepted it and the worker that ran it are gone."""
    upstream = serve({"waits": answer(), "runs": [steady(300, 0.2), answer()]})
    store, queue = server(), server()
    variables = on(store, queue, MIDSTREAM_LEASE="1")
    api = start(upstream, env=variables, program="api")
    worker = start(upstream, env=variables, program="worker")
    stays(queue)
    runs = posted(api, "runs", "r").document["id"]
    viewer = Viewer(api, runs)
    until(lambda: "delta" in viewer.text, 30, worker)
    worker.process.kill()
    waits = posted(api, "waits", "w").document["id"]
    api.process.kill()
    queue.crash()
    queue.delay = 0
    queue.start()
    api = start(upstream, env=variables, program="api")
    start(upstream, env=variables, program="worker")
    for generation_id in (waits, runs):
        assert api.end(generation_id, 40)["state"] == "completed"
    listed = api.call("GET", "/v1/generations").document["data"]
    assert {one["id"] for one in listed} == {waits, runs}
