"""The chat page's script, run by node: connections that die in silence, lost answers, wrong keys."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mended.conftest import Start
from tests.mended.running import Running, until
from tests.mended.test_operation import Redis, redis

__all__ = ["redis"]  # a fixture

mended = pytest.mark.mended("answers-page")
guard = pytest.mark.mended("answers-page", guard=True)
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

MODEL = "simulator/clock?deltas=80&rate=20"


class Page:
    """One load of the page; `speed` makes its time-outs so much shorter."""

    def __init__(self, url: str, *, speed: float = 1, local: Any = None, session: Any = None) -> None:
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("page.mjs")), url, str(speed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.do("open", local=local or {}, session=session or {})

    def do(self, command: str, **fields: Any) -> Any:
        """The state of the page behind this command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    @property
    def state(self) -> Any:
        return self.do("state")

    @property
    def turns(self) -> Any:
        return json.loads(self.state["local"].get("midstream.chat", "[]"))

    def said(self) -> str:
        """The answer in the newest turn."""
        return "".join(part["text"] for part in self.turns[-1]["parts"]) if self.turns else ""

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Relay:
    """What stands between page and server, and what goes wrong there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.refuse = False
        """New connections are closed at once."""
        self.lose_replies = 0
        """Replies to POSTs that are still to be lost."""
        self.posts = 0
        self.frozen = threading.Event()
        """Set: what comes from the server stays here; connections that are made later pass."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """From now on nothing comes through the connections that there are."""
        self.frozen.set()
        self.frozen = threading.Event()

    def close(self) -> None:
        self._closed.set()
        self.frozen.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuse:
                    client.close()
                else:
                    threading.Thread(target=self._relay, args=(client, self.frozen), daemon=True).start()

    def _relay(self, client: socket.socket, frozen: threading.Event) -> None:
        with client, contextlib.suppress(OSError):
            request = client.recv(65536)
            while b"\r\n\r\n" not in request:
                if not (piece := client.recv(65536)):
                    return
                request += piece
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
            while len(body) < length:
                if not (piece := client.recv(65536)):
                    return
                body += piece
            post = lines[0].startswith(b"POST ")
            self.posts += post
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                server.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
                while piece := server.recv(65536):
                    if post and self.lose_replies:
                        self.lose_replies -= 1
                        return
                    if frozen.is_set():
                        self._closed.wait(120)
                        return
                    client.sendall(piece)


@pytest.fixture(scope="module")
def running(start_shared: Start) -> Running:
    return start_shared()


@pytest.fixture
def relay(running: Running) -> Iterator[Relay]:
    relay = Relay(running.port)
    yield relay
    relay.close()


def generations(running: Running) -> list[Any]:
    return list(running.call("GET", "/v1/generations?limit=100").document["data"])


@pytest.fixture
def pages() -> Iterator[list[Page]]:
    """Pages that are closed after the test."""
    opened: list[Page] = []
    yield opened
    for page in opened:
        page.close()


def ask(pages: list[Page], relay: Relay, **options: Any) -> Page:
    """A page that is in mid-answer."""
    pages.append(page := Page(relay.url, **options))
    page.do("send", prompt="go", model=MODEL)
    until(lambda: page.said().count(";") > 3, 20)
    return page


def whole(running: Running, page: Page, seconds: float) -> None:
    """The page comes to have all of the answer, once."""
    until(lambda: page.turns[-1]["state"] == "completed", seconds)
    assert page.said() == running.snapshot(page.turns[-1]["id"])["text"]


@guard
def test_an_answer_is_shown(running: Running, relay: Relay, pages: list[Page]) -> None:
    whole(running, ask(pages, relay), 20)


@mended
def test_a_connection_that_is_silent_is_given_up(running: Running, relay: Relay, pages: list[Page]) -> None:
    # 40 s at this speed are 2 s.
    page = ask(pages, relay, speed=20)
    relay.freeze()
    whole(running, page, 20)


@mended
@pytest.mark.parametrize("type", ["visibilitychange", "online"])
def test_a_page_that_comes_back_looks_at_once(running: Running, relay: Relay, pages: list[Page], type: str) -> None:
    page = ask(pages, relay)
    relay.freeze()
    page.do("sleep", ms=30_000)
    page.do("fire", type=type)
    whole(running, page, 20)


@mended
def test_a_lost_answer_is_no_second_generation(running: Running, relay: Relay, pages: list[Page]) -> None:
    before = len(generations(running))
    relay.lose_replies = 2
    pages.append(page := Page(relay.url, speed=20))
    page.do("send", prompt="again", model="simulator/lorem?deltas=3")
    until(lambda: relay.posts >= 1 and (page.turns or not page.state["busy"]), 20)
    # Whoever sees that it failed sends it again.
    while not page.turns:
        page.do("send", prompt="again", model="simulator/lorem?deltas=3")
        until(lambda: page.turns or not page.state["busy"], 20)
    whole(running, page, 20)
    assert relay.posts >= 3
    assert len(generations(running)) == before + 1


@mended
def test_a_lost_answer_is_found_after_a_reload(running: Running, relay: Relay, pages: list[Page]) -> None:
    before = len(generations(running))
    relay.lose_replies = 1000
    pages.append(page := Page(relay.url))
    page.do("send", prompt="once", model="simulator/lorem?deltas=3")
    until(lambda: len(generations(running)) > before and relay.lose_replies < 1000, 20)
    kept = page.state
    page.close()
    relay.lose_replies = 0
    pages.append(page := Page(relay.url, local=kept["local"], session=kept["session"]))
    if not page.state["busy"]:
        page.do("send", prompt="once", model="simulator/lorem?deltas=3")
    until(lambda: page.turns, 20)
    whole(running, page, 20)
    assert len(generations(running)) == before + 1
    # And the next one, of the same words, is another.
    page.do("send", prompt="once", model="simulator/lorem?deltas=3")
    until(lambda: len(page.turns) == 2, 20)
    assert len(generations(running)) == before + 2


@mended
def test_a_wrong_key_says_so_and_another_can_be_entered(start: Start, pages: list[Page]) -> None:
    running = start(env={"MIDSTREAM_API_KEYS": "me:right"})
    pages.append(page := Page(running.url))
    until(lambda: page.state["wants_key"], 20)
    for key in ("wrong", "ключ", "with space"):
        page.do("key", key=key)
        until(lambda: page.state["wants_key"] and "key" in page.state["status"], 20)
    page.do("key", key="right")
    until(lambda: not page.state["wants_key"] and page.state["status"] == "", 20)
    page.do("send", prompt="go", model="simulator/lorem?deltas=3")
    until(lambda: page.turns and page.turns[-1]["state"] == "completed", 20)


@mended
def test_what_the_server_refuses_for_now_is_said_and_the_message_kept(
    start: Start, redis: Redis, pages: list[Page]
) -> None:
    running = start(program="api", env={"MIDSTREAM_REDIS_URL": redis.url, "OPENAI_API_KEY": "k"})
    redis.say("CONFIG", "SET", "maxmemory", "1")
    pages.append(page := Page(running.url, speed=50))
    page.do("send", prompt="go", model="openai/x")
    # It is not busy before it has begun, either.
    until(lambda: "kept" in page.state["status"] and not page.state["busy"], 30)
    assert "no memory" in page.state["status"]
    redis.say("CONFIG", "SET", "maxmemory", "0")
    page.do("send", prompt="go", model="openai/x")
    until(lambda: page.turns, 20)
    assert len(generations(running)) == 1


@mended
def test_a_key_that_is_withdrawn_in_mid_answer_says_so(start: Start, pages: list[Page]) -> None:
    running = start(env={"MIDSTREAM_API_KEYS": "me:right"})
    turn = {
        "key": "turn-1",
        "id": running.call(
            "POST",
            "/v1/generations",
            {"model": "simulator/lorem?deltas=3", "messages": [{"role": "user", "content": "hi"}]},
            {"Authorization": "Bearer right"},
        ).document["id"],
        "prompt": "hi",
        "parts": [],
        "places": [],
        "cursor": "",
        "state": "",
    }
    # The page was loaded while the key was right.
    pages.append(
        page := Page(running.url, local={"midstream.chat": json.dumps([turn])}, session={"midstream.key": "no"})
    )
    until(lambda: page.state["wants_key"], 20)
    assert "key" in page.state["status"]
    page.do("key", key="right")
    until(lambda: page.turns[-1]["state"] == "completed", 20)
