"""`top` as a process, over HTTP and over a Redis: on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from midstream.commands.top import RateMeter, troubles
from midstream.processes.valkey import Valkey
from shared.queue.status import Status
from shared.storage.keys import LINES_KEY, PENDING_KEY, QUEUE_KEY, line_key
from tests.harness.repository import ROOT
from tests.midstream.checks.test_server_check import STATUS
from tests.midstream.conftest import RunPython
from tests.midstream.scripted_api import Answer, ScriptedApi

PATIENCE = 30.0
HOSTILE = "ann\x1b]0;owned\x07\n\x1b[31mfail"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """A Redis."""
    valkey = Valkey(tmp_path / "data")
    asyncio.run(valkey.start())
    yield valkey
    asyncio.run(valkey.stop())


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, term: str = "xterm", **env: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.said = b""
        variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "midstream", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=variables | {"PYTHONPATH": str(ROOT), "TERM": term, "NO_COLOR": "1"} | env,
            start_new_session=True,
        )
        self.slave = slave

    def read(self, until: Callable[[str], bool]) -> str:
        """What it has said, once that is so."""
        deadline = time.monotonic() + PATIENCE
        while not until(self.said.decode(errors="replace")):
            assert time.monotonic() < deadline, self.said[-3000:]
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.said += os.read(self.master, 65_536)
        return self.said.decode(errors="replace")

    def end(self) -> int:
        """Its exit status; what it said until then is read."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self.master], [], [], 0.05)[0]:
                self.said += os.read(self.master, 65_536)
        while select.select([self.master], [], [], 0.1)[0]:
            self.said += os.read(self.master, 65_536)
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Runs a command on a terminal."""
    opened: list[Terminal] = []

    def run(*arguments: str, **options: str) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, **options))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_on_a_terminal_the_numbers_change_and_it_is_left_as_it_was(
    server: Valkey, terminal: Callable[..., Terminal], number: int, status: int
) -> None:
    top = terminal("top", MIDSTREAM_REDIS_URL=server.url)
    top.read(lambda said: "0 wait" in said)
    with redis.Redis.from_url(server.url) as client:
        client.zadd(QUEUE_KEY, {f"gen_{each}": 1 for each in range(7)})
        client.zadd(LINES_KEY, {HOSTILE: 1})
        client.zadd(line_key(HOSTILE), {f"gen_{each}": 1 for each in range(7)})
        top.read(lambda said: "7 wait" in said and "none is alive, and 7 generations wait" in said)
        client.zadd(PENDING_KEY, {"gen_9": 1})
        said = top.read(lambda said: "1 of 100000 pending" in said)
    top.process.send_signal(number)
    assert top.end() == status
    said = top.said.decode()
    assert said.count("\x1b[?1049h") == 1, "the other screen"
    after = said.partition("\x1b[?1049h")[2]
    assert "\x1b[?1049l" in after, "and back"
    assert after.rfind("\x1b[?25h") > after.rfind("\x1b[?25l"), "with its cursor"
    assert termios.tcgetattr(top.slave) == top.before
    assert "\x1b]0;owned" not in said
    assert r"ann\x1b]0;owned\x07\n" in said
    assert "Traceback" not in said


def test_a_redis_that_goes_away_is_told_and_waited_for(server: Valkey, terminal: Callable[..., Terminal]) -> None:
    top = terminal("top", MIDSTREAM_REDIS_URL=server.url)
    top.read(lambda said: "0 wait" in said)
    asyncio.run(server.kill())
    top.read(lambda said: "Redis does not say how the queue stands" in said)
    asyncio.run(server.start())
    before = len(top.said)
    top.read(lambda said: said[before:].count("midstream  20") > 3)
    shown = top.said.decode().rpartition("midstream  20")[2]
    assert "does not say" not in shown
    os.write(top.master, b"\x03")  # as the key does
    top.process.send_signal(signal.SIGINT)
    assert top.end() == 0


def test_a_terminal_that_cannot_be_redrawn_shows_it_once(server: Valkey, terminal: Callable[..., Terminal]) -> None:
    top = terminal("top", term="dumb", MIDSTREAM_REDIS_URL=server.url)
    assert top.end() == 0
    said = top.said.decode()
    assert said.count("queue      0 wait") == 1
    assert "\x1b" not in said


def test_in_a_pipe_it_is_shown_once_with_rates(server: Valkey, run_python: RunPython) -> None:
    out, err = run_python("-m", "midstream", "top", MIDSTREAM_REDIS_URL=server.url).communicate(timeout=PATIENCE)
    assert err == ""
    assert "rates      0.0 started/s, 0.0 ended/s\n" in out
    assert "\x1b" not in out


def test_json_is_an_object_each_second(server: Valkey, run_python: RunPython) -> None:
    process = run_python("-m", "midstream", "top", "--json", MIDSTREAM_REDIS_URL=server.url)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    with redis.Redis.from_url(server.url) as client:
        client.zadd(QUEUE_KEY, {"gen_x": 1})
        second = json.loads(process.stdout.readline())
        while second["queue"]["waiting"] == 0:
            second = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert first["queue"]["waiting"] == 0
    assert (first["rates"], second["rates"]) == (None, {"started": 0.0, "ended": 0.0})
    assert second["queue"]["waiting"] == 1
    del second["rates"]
    assert Status.model_validate(second).model_dump() == second, "the same as GET /v1/status, and rates"


def test_json_once(server: Valkey, run_python: RunPython) -> None:
    process = run_python("-m", "midstream", "top", "--json", "--once", MIDSTREAM_REDIS_URL=server.url)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert [json.loads(line)["rates"] for line in out.splitlines()] == [None]


def test_from_an_api_node(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    later = STATUS | {"time": "2026-01-01T00:00:02.000Z", "counts": {"started": 5, "ended": 3}}
    scripted_api.answers += [Answer(200, STATUS), Answer(200, later)]
    process = run_python("-m", "midstream", "top", "--once", "--url", scripted_api.url, MIDSTREAM_KEY="sk-secret")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "rates      2.5 started/s, 1.5 ended/s\n" in out
    assert {request.headers["authorization"] for request in scripted_api.received} == {"Bearer sk-secret"}


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ([Answer(403, {"title": "The key does not allow that", "detail": "It needs the scope `admin`."})], 4, "admin"),
        ([Answer(404, {})], 3, "no Midstream API"),
        ([Answer(200, {"queue": 1})], 5, "not a Midstream API"),
    ],
)
def test_what_a_server_refuses_ends_it(
    scripted_api: ScriptedApi, run_python: RunPython, answers: list[Answer], code: int, words: str
) -> None:
    scripted_api.answers += answers
    process = run_python("-m", "midstream", "top", "--url", scripted_api.url)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert words in err
    assert err.count("\n") == 1


def test_where_nothing_runs_it_says_what_to_do(run_python: RunPython, tmp_path: Path) -> None:
    process = run_python("-m", "midstream", "top")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert "no embedded server runs in .midstream" in err
    process = run_python("-m", "midstream", "top", MIDSTREAM_REDIS_URL=f"unix://{tmp_path}/none.sock")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert "Redis does not say how the queue stands" in err
    assert err.count("\n") == 1


def at(second: int, started: int, ended: int) -> Status:
    counts = {"started": started, "ended": ended}
    return Status.model_validate(STATUS | {"time": f"2026-01-01T00:00:{second:02}.000Z", "counts": counts})


def test_rates_are_by_the_clock_of_redis_and_none_where_counters_went_back() -> None:
    meter = RateMeter()
    assert meter.rates(at(0, 10, 10)) is None
    assert meter.rates(at(2, 14, 11)) == (2.0, 0.5)
    assert meter.rates(at(2, 15, 11)) is None
    assert meter.rates(at(3, 3, 2)) is None
    assert meter.rates(at(4, 3, 2)) == (0.0, 0.0)


def test_what_doctor_would_find_is_shown() -> None:
    bad: Any = STATUS | {"redis": [STATUS["redis"][0] | {"append_only": False}]}
    (trouble,) = troubles(Status.model_validate(bad))
    assert trouble.bad
    assert trouble.text.startswith("Redis of logs and queue, persistence: off (appendonly no): set `appendonly yes`")
    assert troubles(Status.model_validate(STATUS)) == []
