"""Redis moves: to an address that leads elsewhere while old connections stay, and by Sentinels."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Serve, Start
from tests.mended.redis_servers import Address, RedisServer, Sentinel
from tests.mended.running import Running, until
from tests.mended.viewers import Viewer, all_whole, slow

USER = ("midstream", "s3ntinel")
SECRET = "s3cret"


def accepted(running: Running, model: str, seconds: float) -> str:
    """The id of a generation, as soon as one is accepted."""
    found = []

    def tried() -> bool:
        with suppress(AssertionError, OSError):
            found.append(running.ask(model))
        return bool(found)

    until(tried, seconds, running)
    return found[0]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.mended("redis-2")
def test_an_address_moves_while_connections_stay(start: Start, serve: Serve, tmp_path: Path) -> None:
    script, text = slow(50, 0.1)
    upstream = serve({"slow": script})
    one, other = RedisServer(tmp_path / "one"), RedisServer(tmp_path / "other")
    address = Address(one.port)
    try:
        other.follow(one.port)
        until(other.in_step)
        times = {"MIDSTREAM_REDIS_TIMEOUT": "2", "MIDSTREAM_LEASE": "2"}
        env = upstream.env | times | {"MIDSTREAM_REDIS_URL": address.url}
        start(program="worker", env=env)
        api = start(program="api", env=env)
        reader = start(program="api", env=env)  # nobody posts there: it learns of the move by reading only
        for new, old, replicates in ((other, one, True), (one, other, False)):
            until(new.in_step)
            viewers = [Viewer(at.port, api.ask("openai/slow")) for at in (api, reader)]
            until(lambda viewers=viewers: all(len(viewer.seen) > 5 for viewer in viewers), 20, api)
            new.follow(None)
            address.move(new.port)
            if not replicates:
                # Cut off from the new primary, it says nothing to those who listen, and MASTERDOWN to those who read.
                assert old.say("CONFIG", "SET", "replica-serve-stale-data", "no") == "OK"
            old.follow(new.port if replicates else free_port())
            viewers.append(Viewer(api.port, accepted(api, "openai/slow", 10)))
            all_whole(viewers, text, 45, reader)
        assert 1 <= api.output().count("refuses: READONLY") <= 4
    finally:
        address.close()
        one.kill()
        other.kill()


class Sentinels:
    """A primary with a password, its replica, and three that watch them."""

    def __init__(self, folder: Path) -> None:
        self.servers = [RedisServer(folder / name, password=SECRET) for name in ("one", "other")]
        self.servers[1].follow(self.servers[0].port)
        until(self.servers[1].in_step)
        self.watchers = [Sentinel(folder / f"sentinel-{n}", self.servers[0], USER) for n in range(3)]
        self.settle()

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{watcher.port}" for watcher in self.watchers)
        return f"redis+sentinel://:{SECRET}@{nodes}/mymaster/0?sentinel_username={USER[0]}&sentinel_password={USER[1]}"

    @property
    def primary(self) -> RedisServer:
        return next(server for server in self.servers if server.port == self.watchers[0].primary())

    def settle(self) -> None:
        """Wait until all of it is in order."""
        until(lambda: all(watcher.knows(replicas=1) for watcher in self.watchers), 40)
        (replica,) = (server for server in self.servers if server is not self.primary)
        until(lambda: replica.info("role") == "slave" and replica.in_step(), 40)

    def moved_from(self, old: RedisServer) -> bool:
        """Whether all know that another server is the primary."""
        return all(watcher.primary() not in (old.port, 0) for watcher in self.watchers)

    def close(self) -> None:
        for server in (*self.watchers, *self.servers):
            server.kill()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    found = Sentinels(tmp_path / "redis")
    yield found
    found.close()


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.mended("redis-2")
def test_sentinels_move_the_primary(start: Start, serve: Serve, sentinels: Sentinels) -> None:
    script, text = slow(80, 0.1)
    upstream = serve({"slow": script})
    env = upstream.env | {"MIDSTREAM_REDIS_URL": sentinels.url}
    start(program="worker", env=env)
    api = start(program="api", env=env)
    doctor = api.cli("doctor")
    assert b"ok   Redis: Valkey" in doctor.stdout, doctor.stdout
    for fault in ("planned", "kill", "stop"):
        old = sentinels.primary
        viewers = [Viewer(api.port, api.ask("openai/slow")) for _ in range(10)]
        until(lambda viewers=viewers: all(len(viewer.seen) > 5 for viewer in viewers), 20, api)
        began = time.monotonic()
        if fault == "planned":
            assert sentinels.watchers[1].say("SENTINEL", "FAILOVER", "mymaster") == "OK"
        elif fault == "kill":
            old.kill()
        else:
            old.signal(signal.SIGSTOP)
        until(lambda old=old: sentinels.moved_from(old), 30, api)
        if fault == "kill":
            old.start()
        if fault == "stop":
            until(lambda began=began: time.monotonic() > began + 8, 10)
            old.signal(signal.SIGCONT)
            # It takes itself for the primary until the Sentinels have told it, and would take these.
            late = [Viewer(api.port, accepted(api, "openai/slow", 10)) for _ in range(5)]
            viewers += late
        all_whole(viewers, text, 60, api)
        sentinels.settle()
    assert SECRET not in api.output()
    assert USER[1] not in api.output()


@pytest.mark.timeout(240)
@pytest.mark.mended("redis-2")
def test_readyz_writes_and_says_which_redis_fails(start: Start, tmp_path: Path) -> None:
    logs, queue = RedisServer(tmp_path / "logs"), RedisServer(tmp_path / "queue")
    try:
        urls = {"MIDSTREAM_REDIS_URL": logs.url, "MIDSTREAM_QUEUE_URL": queue.url}
        running = start(program="api", env=urls | {"OPENAI_API_KEY": "k", "MIDSTREAM_REDIS_TIMEOUT": "1"})

        def said(*words: str) -> bool:
            answer = running.call("GET", "/readyz")
            assert running.call("GET", "/livez").status == 200
            if answer.status == 200:
                return not words
            ((name, text),) = ((error["pointer"], error["message"]) for error in answer.document["errors"])
            return bool(words) and words[0] == name and words[1] in text and name in answer.document["detail"]

        until(said, 5, running)
        assert queue.say("CONFIG", "SET", "maxmemory", "1") == "OK"
        until(lambda: said("MIDSTREAM_QUEUE_URL", "OOM command not allowed"), 5, running)
        assert running.call("GET", "/readyz").document["code"] == "storage_full"
        assert queue.say("CONFIG", "SET", "maxmemory", "0") == "OK"
        logs.follow(free_port())
        until(lambda: said("MIDSTREAM_REDIS_URL", "READONLY"), 5, running)
        logs.follow(None)
        until(said, 10, running)
        logs.signal(signal.SIGSTOP)
        until(lambda: said("MIDSTREAM_REDIS_URL", "does not answer"), 10, running)
        logs.signal(signal.SIGCONT)
        until(said, 10, running)
    finally:
        logs.kill()
        queue.kill()
