"""Viewers behind nginx, with the configuration that compose.yaml ships."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.harness.repository import ROOT
from tests.mended.conftest import Serve, Start
from tests.mended.proxies import PROXIES, lags, offered, program
from tests.mended.redis_servers import RedisServer
from tests.mended.running import Running, executable, until
from tests.mended.upstream import DONE, Script, chunk, counted
from tests.mended.viewers import Viewer, all_whole, slow

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
AWAY = 20.0


def shipped(ports: list[int], listen: int) -> str:
    """The configuration of nginx that compose.yaml mounts, on this machine: that of the commit that is tried."""
    tree = Path(executable()).parents[2]
    tree = tree if (tree / "compose.yaml").exists() else ROOT
    file, compose = tree / "deploy" / "nginx.conf", (tree / "compose.yaml").read_text()
    # It stood in compose.yaml once.
    within = textwrap.dedent(compose.partition("content: |\n")[2].partition("\nvolumes:")[0]).replace("$$", "$")
    text = (file.read_text() if file.exists() else within).replace("listen 8000", f"listen 127.0.0.1:{listen}")
    for number, port in enumerate(ports, 1):
        text = text.replace(f"api-{number}:8000", f"127.0.0.1:{port}")
    return text


def test_what_routes_viewers_asks_whether_a_node_lives() -> None:
    assert "/readyz" not in (ROOT / "compose.yaml").read_text()
    assert "127.0.0.1:8000/livez" in (ROOT / "compose.yaml").read_text()


def posted(port: int, key: str | None = None) -> int:
    """What a POST is answered there; 0 where it is not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    body = {"model": "openai/slow" if key is None else "openai/quick", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
    try:
        connection.request("POST", "/v1/generations", json.dumps(body), headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def proxying(folder: Path, site: str) -> subprocess.Popen[bytes]:
    """nginx with this site."""
    folder.mkdir()
    site = site.replace("/var/log/nginx", str(folder))
    paths = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}\n{site}\n}}\n"
    )
    words = [str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    if os.geteuid() == 0:
        words += ["-g", "user root;"]
    return subprocess.Popen(words)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian's nginx-light)")
@pytest.mark.mended("redis-2", guard=True)
def test_no_viewer_gets_a_5xx_while_redis_is_away_or_full(start: Start, serve: Serve, tmp_path: Path) -> None:
    script, text = slow(60, 0.1)
    redis = RedisServer(tmp_path / "redis")
    env = serve({"slow": script}).env | {"MIDSTREAM_REDIS_URL": redis.url, "MIDSTREAM_HEARTBEAT": "1"}
    start(program="worker", env=env)
    apis = [start(program="api", env=env) for _ in range(2)]
    port = free_port()
    nginx = proxying(tmp_path / "nginx", shipped([api.port for api in apis], port))
    viewers: list[Viewer] = []
    passing: list[Viewer] = []
    answered: list[int] = []
    try:
        ended = apis[0].ask("openai/slow")
        viewers += [Viewer(port, apis[0].ask("openai/slow")) for _ in range(5)]
        until(lambda: all(len(viewer.seen) > 3 for viewer in viewers), 20, apis[0])
        apis[0].end(ended)

        def come_and_go(seconds: float) -> None:
            """Viewers who connect anew all the time, and POSTs, which are refused: those must take no node away."""
            until_then = time.monotonic() + seconds
            while time.monotonic() < until_then:
                passing.append(Viewer(port, ended))
                until(lambda: bool(passing[-1].statuses), 15, apis[0])
                passing[-1].stop()
                answered.append(posted(port))

        redis.kill()
        come_and_go(AWAY)
        redis.start()
        all_whole(viewers, text, 60, apis[0])
        assert redis.say("CONFIG", "SET", "maxmemory", "1") == "OK"
        come_and_go(5)
        assert redis.say("CONFIG", "SET", "maxmemory", "0") == "OK"
        redis.signal(signal.SIGSTOP)
        come_and_go(10)
        redis.signal(signal.SIGCONT)
        statuses = [status for viewer in (*viewers, *passing) for status in viewer.statuses]
        assert len(statuses) > 10
        assert set(statuses) == {200}
        assert 503 in answered
    finally:
        for viewer in (*viewers, *passing):
            viewer.stop()
        nginx.terminate()
        nginx.wait(10)
        redis.kill()


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(not all(map(program, PROXIES)), reason="needs nginx, HAProxy and Caddy")
def test_a_whole_answer_of_90_s_comes_through(start: Start, serve: Serve, tmp_path: Path) -> None:
    """Nothing is sent before its end, in any dialect: longer than a proxy waits by itself."""
    script, text = slow(90, 1.0)
    redis = RedisServer(tmp_path / "redis")
    env = serve({"slow": script}).env | {"MIDSTREAM_REDIS_URL": redis.url}
    start(program="worker", env=env)
    apis = [start(program="api", env=env) for _ in range(2)]
    words = {"model": "openai/slow", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 500}
    asked: dict[str, tuple[dict[str, object], str]] = {
        "/v1/generations": (words | {"stream": False}, "text"),
        "/v1/chat/completions": (words, "choices"),
        "/v1/messages": (words, "content"),
        "/v1/responses": ({"model": "openai/slow", "input": "hi"}, "output"),
    }

    def ask(port: int, path: str) -> tuple[int, bool]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
        body, field = asked[path]
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.load(response)
        connection.close()
        return response.status, text in json.dumps(answer.get(field))

    ports = {name: free_port() for name in PROXIES}
    proxies = [PROXIES[name](tmp_path / name, [api.port for api in apis], port) for name, port in ports.items()]
    try:
        with ThreadPoolExecutor(len(ports) * len(asked)) as pool:
            answers = {(name, path): pool.submit(ask, port, path) for name, port in ports.items() for path in asked}
        assert {one: answer.result() for one, answer in answers.items()} == dict.fromkeys(answers, (200, True))
    finally:
        for proxy in proxies:
            proxy.terminate()
            proxy.wait(10)
        redis.kill()


class Poster(threading.Thread):
    """Posts through the proxy all the time; what is not answered as accepted is sent again with its key, as SDKs do."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._ends = threading.Event()
        self.first: list[int] = []
        """What each was answered at first; 0 where it was not."""
        self.in_the_end: list[int] = []
        self.start()

    def run(self) -> None:
        number = 0
        while not self._ends.wait(0.02):
            number += 1
            key = f"{id(self)}-{number}"
            status = posted(self._port, key)
            self.first.append(status)
            for pause in (0.0, 0.5, 1.0):
                if status != 202:
                    time.sleep(pause)
                    status = posted(self._port, key)
            self.in_the_end.append(status)

    def end(self) -> None:
        self._ends.set()
        self.join(20)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian's nginx-light)")
@pytest.mark.mended("front-10")
def test_a_rolling_restart_loses_no_event_and_answers_no_viewer_with_a_5xx(
    start: Start, serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script, text = slow(250, 0.1)
    redis = RedisServer(tmp_path / "redis")
    quick = Script([chunk({"content": "x"}), chunk({}, "stop"), counted(5, 7), DONE])
    env = serve({"slow": script, "quick": quick}).env | {"MIDSTREAM_REDIS_URL": redis.url}
    start(program="worker", env=env | {"MIDSTREAM_CONCURRENCY": "200"})
    apis = [start(program="api", env=env) for _ in range(2)]
    port = free_port()
    nginx = proxying(tmp_path / "nginx", shipped([api.port for api in apis], port))
    viewers = [Viewer(port, apis[0].ask("openai/slow")) for _ in range(20)]
    passing: list[Viewer] = []
    posters = [Poster(port) for _ in range(2)]
    try:
        until(lambda: all(len(viewer.seen) > 3 for viewer in viewers), 20, apis[0])
        for _ in range(2):
            for number, api in enumerate(apis):
                api.stop(signal.SIGTERM)
                gone = time.monotonic()
                while time.monotonic() < gone + 1:  # viewers come and go while one is away
                    passing.append(Viewer(port, apis[0].ask("openai/quick") if number else apis[1].ask("openai/quick")))
                    until(lambda: bool(passing[-1].statuses), 15, api)
                apis[number] = start(program="api", env=env, port=api.port)
        all_whole(viewers, text, 60, apis[0])
        for poster in posters:
            poster.end()
        statuses = [status for viewer in (*viewers, *passing) for status in viewer.statuses]
        assert len(statuses) > 40
        assert set(statuses) <= {200, 204}, {status: statuses.count(status) for status in set(statuses)}
        ends = [status for poster in posters for status in poster.in_the_end]
        firsts = [status for poster in posters for status in poster.first]
        with capsys.disabled():
            told = ", ".join(f"{firsts.count(status)} x {status}" for status in sorted(set(firsts)))
            print(f"\nPOSTs during two rolling restarts were answered at first: {told}")
        assert set(ends) == {202}
    finally:
        for poster in posters:
            poster.end()
        for viewer in (*viewers, *passing):
            viewer.stop()
        nginx.terminate()
        nginx.wait(10)
        redis.kill()


@pytest.fixture(scope="module")
def behind(start_shared: Start, serve_shared: Serve) -> Running:
    """One node for all proxies."""
    script, _ = slow(25, 0.1)
    quick = Script([chunk({"content": "x"}), chunk({}, "stop"), counted(5, 7), DONE])
    return start_shared(serve_shared({"slow": script, "quick": quick}))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.skipif(program(name) is None, reason=f"needs {name}")) for name in PROXIES],
)
@pytest.mark.mended("front-9")
def test_proxies_as_they_are_shown_hold_back_no_event_and_pass_what_is_posted(
    name: str, behind: Running, tmp_path: Path
) -> None:
    """Their kept connections, offers of an upgrade, and a trailing slash, which led to http."""
    port = free_port()
    proxy = PROXIES[name](tmp_path / name, [behind.port, behind.port], port)
    try:
        path = f"/v1/generations/{behind.ask('openai/slow')}/events"
        late = sorted(lags(behind.port, port, path))
        assert len(late) > 20
        assert late[-1] < 0.1, late[-3:]
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        body = json.dumps({"model": "openai/quick", "messages": [{"role": "user", "content": "x" * 100_000}]}).encode()
        for _ in range(5):
            kept.request("POST", "/v1/generations", body, {"Content-Type": "application/json"})
            answer = kept.getresponse()
            assert (answer.status, "state" in json.loads(answer.read())) == (202, True)
        kept.request("POST", "/v1/generations/", body, {"Content-Type": "application/json"})
        answer = kept.getresponse()
        assert (answer.status, answer.getheader("Location"), json.loads(answer.read())["code"]) == (
            404,
            None,
            "no_such_route",
        )
        kept.close()
        assert offered(port, body, "h2c") == 202
        assert offered(port, body, "websocket") == 202
    finally:
        proxy.terminate()
        proxy.wait(10)
