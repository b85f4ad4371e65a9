"""MIDSTREAM_DURABILITY: what a 202 says of the disk, on real servers whose disk is slow."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.mended.conftest import Serve, Start
from tests.mended.running import Answer, Running, environment, executable, until
from tests.mended.server import Server
from tests.mended.upstream import answer

pytestmark = pytest.mark.mended("answers-durability")

DISK = {"MIDSTREAM_DURABILITY": "disk"}
BODY = {"model": "openai/m", "messages": [{"role": "user", "content": "hi"}]}

NewServer = Callable[..., Server]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NewServer]:
    """Starts a server in a folder of its own."""
    started: list[Server] = []

    def new(**options: Any) -> Server:
        started.append(Server(tmp_path / f"redis-{len(started)}", **options))
        return started[-1]

    yield new
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            one.kill()


def on(store: Server, queue: Server | None = None) -> dict[str, str]:
    urls = {"MIDSTREAM_REDIS_URL": store.url}
    return urls | ({"MIDSTREAM_QUEUE_URL": queue.url} if queue else {})


def posted(api: Running, key: str, **headers: str) -> Answer:
    return api.call("POST", "/v1/generations", BODY, {"Idempotency-Key": key} | headers)


class TestDisk:
    def test_what_was_accepted_survives_a_crash_of_all(self, start: Start, serve: Serve, server: NewServer) -> None:
        """The Redis without what it had not synced, and the node that answered, die with the 202."""
        upstream = serve({"m": answer()})
        store, queue = server(), server()
        variables = on(store, queue) | DISK
        api = start(upstream, env=variables, program="api")
        store.delay = queue.delay = 0.1
        with concurrent.futures.ThreadPoolExecutor(8) as many:
            answers = list(many.map(lambda n: posted(api, f"key {n}"), range(8)))
        api.process.kill()
        store.crash()
        queue.crash()
        assert [answer.status for answer in answers] == [202] * 8
        for one in (store, queue):
            one.delay = 0
            one.start()
        again = start(upstream, env=variables, program="api")
        start(upstream, env=variables, program="worker")
        assert {again.end(answer.document["id"])["state"] for answer in answers} == {"completed"}

    @pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
    def test_all_of_it_is_on_disk_before_the_first_byte(
        self, start: Start, serve: Serve, server: NewServer, kind: str
    ) -> None:
        store, queue = server(), server()
        api = start(serve({"m": answer()}), env=on(store, queue) | DISK, program="api")
        store.delay = queue.delay = 0.4
        told = first_byte(api, kind)
        generation = re.search(rb"gen_[a-z2-7]{32}", told)
        assert generation, told
        assert store.on_disk(b"{%s}:record" % generation[0])
        assert queue.on_disk(b"arq:job:%s" % generation[0])

    def test_a_server_that_syncs_less_since_is_not_believed(
        self, start: Start, server: NewServer, serve: Serve
    ) -> None:
        upstream = serve({"m": answer()})
        store = server()
        api = start(upstream, env=on(store) | DISK, program="api")
        for directive, value, back in (
            ("appendfsync", "everysec", "always"),
            ("no-appendfsync-on-rewrite", "yes", "no"),
            ("appendonly", "no", "yes"),
        ):
            store.client().config_set(directive, value)
            refused = posted(api, directive)
            assert (refused.status, refused.document["code"]) == (503, "not_on_disk")
            assert refused.headers["retry-after"]
            streamed = posted(api, directive, Accept="text/event-stream")
            assert (streamed.status, streamed.document["code"]) == (503, "not_on_disk")
            assert directive in api.output()
            store.client().config_set(directive, back)
            until(lambda: store.client().info("persistence")["aof_rewrite_in_progress"] == 0)
            first, second = posted(api, directive), posted(api, directive)
            assert first.status == second.status == 202
            assert first.document["id"] == second.document["id"]

    def test_another_server_in_its_place_is_looked_at(self, start: Start, server: NewServer, tmp_path: Path) -> None:
        """As after a fail-over: the same address, another server, which syncs each second."""
        store = server()
        api = start(env=on(store) | DISK | {"OPENAI_API_KEY": "k"}, program="api")
        assert posted(api, "a").status == 202
        store.kill()
        store._words[store._words.index("always")] = "everysec"
        store.start()
        assert posted(api, "b").document["code"] == "not_on_disk"

    def test_up_starts_a_server_that_can(self, start: Start, serve: Serve) -> None:
        upstream = serve({"m": answer()})
        running = start(upstream, env=DISK)
        assert running.end(running.ask("openai/m"))["state"] == "completed"
        assert b"durability" not in running.cli("doctor", "--data-dir", "data").stdout
        assert embedded(running).config_get("appendfsync") == {"appendfsync": "always"}

    def test_a_redis_that_is_not_there_is_no_reason_not_to_start(self, start: Start, server: NewServer) -> None:
        store = server()
        store.kill()
        with contextlib.ExitStack() as stack:
            timer = threading.Timer(3, store.start)
            stack.callback(timer.join)
            timer.start()
            api = start(env=on(store) | DISK | {"OPENAI_API_KEY": "k"}, program="api")
            assert posted(api, "a").status == 202


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sync": "everysec"}, "appendfsync always"),
        ({"sync": "no"}, "appendfsync always"),
        ({"appendonly": "no"}, "appendonly yes"),
        ({"no_appendfsync_on_rewrite": "yes"}, "no-appendfsync-on-rewrite no"),
        ({"rename_command": "CONFIG hidden"}, "CONFIG GET"),
        ({"user": "default on nopass ~* &* +@all -config"}, "CONFIG GET"),
    ],
)
class TestRefused:
    def test_on_either_redis_by_start_and_doctor(
        self, server: NewServer, tmp_path: Path, options: dict[str, str], said: str
    ) -> None:
        good, bad = server(), server(**options)
        for name, variables, program in (
            ("Redis", on(bad), ["api", "--port", "0"]),
            ("the queue's Redis", on(good, bad), ["api", "--port", "0"]),
            ("queue's Redis", on(good, bad), ["doctor"]),
        ):
            status, out = ended(tmp_path, program, variables | DISK)
            assert status == 2, out
            assert said in out
            assert name in out
            assert "Traceback" not in out


@pytest.mark.mended("answers-durability", guard=True)
class TestSecond:
    def test_the_gap_that_it_has(self, start: Start, server: NewServer) -> None:
        """By default: Redis crashes before its sync, and the node that answered with it."""
        store = server(sync="everysec")
        store.delay = 3
        variables = on(store) | {"OPENAI_API_KEY": "k"}
        api = start(env=variables, program="api")
        accepted = posted(api, "a")
        api.process.kill()
        store.crash()
        assert accepted.status == 202
        store.delay = 0
        store.start()
        again = start(env=variables, program="api")
        path = f"/v1/generations/{accepted.document['id']}"
        # For the first seconds after a restart somebody might still know it.
        until(lambda: again.call("GET", path).status != 503)
        assert again.call("GET", path).status == 404

    def test_it_needs_nothing_of_redis(self, start: Start, server: NewServer) -> None:
        store = server(sync="everysec", rename_command="CONFIG hidden")
        store.delay = 3
        api = start(env=on(store) | {"OPENAI_API_KEY": "k"}, program="api")
        began = time.monotonic()
        assert posted(api, "a").status == 202
        assert time.monotonic() - began < 2


def first_byte(api: Running, kind: str) -> bytes:
    """The beginning of a POST's answer, as soon as it comes."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.request(
        "POST", "/v1/generations", json.dumps(BODY), {"Accept": kind, "Content-Type": "application/json"}
    )
    response = connection.getresponse()
    told = b""
    while b"gen_" not in told or b"}" not in told:
        told += response.read1(1000)
    connection.close()
    return told


def ended(folder: Path, words: list[str], variables: dict[str, str]) -> tuple[int, str]:
    """The exit status of a command that ends by itself, and what it said."""
    done = subprocess.run(
        [executable(), *words],
        cwd=folder,
        env=environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=40,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def embedded(running: Running) -> Any:
    """A connection to the server that `up` started."""
    process = int((running.folder / "data/valkey.pid").read_text())
    title = Path(f"/proc/{process}/cmdline").read_text()
    path = re.search(r"unixsocket:([^\s\0]+)", title)
    assert path, title
    return redis.Redis(unix_socket_path=path[1], decode_responses=True)
