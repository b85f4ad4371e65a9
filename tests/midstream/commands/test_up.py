"""`midstream up` as a user runs it: real processes, a real answer, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from midstream.commands import up
from midstream.errors import StartError
from midstream.processes.valkey import Valkey
from shared.config.settings import Settings
from tests.harness.ports import free_port
from tests.midstream.conftest import Gone, RunPython, ended, users_own

START_TIMEOUT = 120

StartUp = Callable[..., Awaitable["Running"]]


class Running:
    """A `midstream up` that has said that it is ready."""

    def __init__(self, process: subprocess.Popen[str], banner: str) -> None:
        self.process = process
        found = re.search(r"ready at (http://\S+)", banner)
        assert found, banner
        self.base = found[1]
        self.banner = banner
        self.curl = shlex.split(next(line for line in banner.splitlines() if "curl" in line))

    async def ask(self, query: str = "") -> tuple[str, str]:
        """Do what the printed curl does; the events as they came, and the generation's id.

        `query` goes to the simulator with the model's name.
        """
        headers = dict(self.curl[index + 1].split(": ", 1) for index, word in enumerate(self.curl) if word == "-H")
        body = json.loads(self.curl[self.curl.index("-d") + 1])
        body["model"] += query
        async with httpx2.AsyncClient(timeout=30) as client:
            answer = await client.post(self.curl[2], json=body, headers=headers)
            if answer.is_server_error:
                answer.raise_for_status()
            assert answer.status_code == 200, answer.text
            queued = re.search(r"^event: queued\ndata: (.*)$", answer.text, re.MULTILINE)
            assert queued, answer.text
            return answer.text, json.loads(queued[1])["id"]

    async def events(self, generation: str) -> str:
        """The whole log of a generation, from its start."""
        async with httpx2.AsyncClient(timeout=30) as client:
            answer = await client.get(f"{self.base}/v1/generations/{generation}/events")
            assert answer.status_code == 200, answer.text
            return answer.text

    def children(self) -> list[int]:
        """Process ids of all that `up` started."""
        return children_of(self.process.pid)

    async def end(self, number: signal.Signals) -> str:
        """Send a signal and wait for the end; what it said on stderr."""
        self.process.send_signal(number)
        _, err = await asyncio.to_thread(self.process.communicate, timeout=30)
        return err


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ids(events: str) -> list[str]:
    return re.findall(r"^id: (\S+)$", events, re.MULTILINE)


@pytest.fixture
def start_up(run_python: RunPython, tmp_path: Path) -> StartUp:
    """Start `midstream up` on a free port and the test's data folder; returns when it is ready."""

    async def start(*arguments: str, **environment: str) -> Running:
        command = ["-m", "midstream", "up", "--port=0", f"--data-dir={tmp_path / 'data'}", *arguments]
        process = run_python(*command, **environment)

        def banner() -> str:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "curl" in line:
                    return "".join(lines)
            raise AssertionError(process.communicate()[1])

        return Running(process, await asyncio.wait_for(asyncio.to_thread(banner), START_TIMEOUT))

    return start


@pytest.mark.timeout(240)
async def test_shows_an_answer_and_serves_it_again_after_a_restart(start_up: StartUp, gone: Gone) -> None:
    first = await start_up()
    assert "simulator" in first.banner
    events, generation = await first.ask("?rate=0")
    assert "\nevent: delta\n" in events
    assert "\nevent: completed\n" in events
    children = first.children()
    assert len(children) == 4, "server, API, worker and simulator"
    err = await first.end(signal.SIGINT)
    assert first.process.returncode == 0, err
    assert all(ended(pid) for pid in children)

    second = await start_up()
    again = await second.events(generation)
    assert ids(again) == ids(events)
    assert "\nevent: completed\n" in again
    children = second.children()
    second.process.kill()
    for pid in children:
        await gone(pid)


@pytest.mark.timeout(240)
async def test_brings_back_each_part_that_is_killed(start_up: StartUp) -> None:
    running = await start_up("--workers=2", "--processes=2")
    children = running.children()
    assert len(children) == 6
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            try:
                events, _ = await running.ask("?rate=0")
            except httpx2.HTTPError:
                await asyncio.sleep(0.1)
            else:
                break
    assert "\nevent: completed\n" in events
    assert not set(children) & set(running.children())
    await running.end(signal.SIGTERM)
    assert running.process.returncode == 0


@pytest.mark.timeout(240)
async def test_several_workers_are_kept_running_and_end_together(run_python: RunPython, tmp_path: Path) -> None:
    async with Valkey(tmp_path / "data") as valkey:
        process = run_python("-m", "midstream", "worker", "--processes=2", MIDSTREAM_REDIS_URL=valkey.url)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")

        def ready(*names: str) -> None:
            waiting = set(names)
            while waiting:
                line = next(lines)
                waiting -= {name for name in waiting if f"{name} |" in line and "takes up to" in line}

        await asyncio.wait_for(asyncio.to_thread(ready, "worker-1", "worker-2"), START_TIMEOUT)
        children = children_of(process.pid)
        os.kill(children[0], signal.SIGKILL)
        await asyncio.wait_for(asyncio.to_thread(ready, "worker-1"), START_TIMEOUT)
        children = children_of(process.pid)
        assert len(children) == 2
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert all(ended(pid) for pid in children)


def refusal(process: subprocess.Popen[str]) -> str:
    """The one line of a start that was refused as a usage error, before anything was started."""
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("midstream: ")
    assert err.count("\n") == 1
    return err


async def test_a_port_in_use_is_one_clear_line(run_python: RunPython, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(run_python("-m", "midstream", "up", f"--port={port}", "--data-dir=data"))
    assert f"127.0.0.1 port {port}" in line
    assert "--port" in line
    assert not (tmp_path / "data").exists()


async def test_an_unusable_data_folder_is_one_clear_line(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refusal(run_python("-m", "midstream", "up", "--port=0", "--data-dir=file/data"))
    assert str(tmp_path / "file" / "data") in line
    assert "--data-dir" in line


async def test_a_data_folder_in_use_is_one_clear_line(start_up: StartUp, run_python: RunPython) -> None:
    running = await start_up()
    line = refusal(run_python("-m", "midstream", "up", "--port=0", "--data-dir=data"))
    assert f"in use by another midstream (process {running.process.pid})" in line
    await running.end(signal.SIGINT)


async def test_no_keys_beyond_loopback_is_one_clear_line(run_python: RunPython) -> None:
    line = refusal(run_python("-m", "midstream", "up", "--host=0.0.0.0", "--port=0"))
    assert "MIDSTREAM_API_KEYS" in line


async def test_short_keys_beyond_loopback_are_one_clear_line(run_python: RunPython) -> None:
    keys = {"MIDSTREAM_API_KEYS": "me:0123456789abcdef,you:only-15-of-them"}
    line = refusal(run_python("-m", "midstream", "up", "--host=0.0.0.0", "--port=0", **keys))
    assert "MIDSTREAM_API_KEYS: the key of entry 2 is too short" in line
    assert "only-15" not in line


async def test_tokens_whose_audience_is_not_said_are_one_clear_line(run_python: RunPython) -> None:
    process = run_python("-m", "midstream", "api", "--port=0", MIDSTREAM_JWT_ISSUER="https://issuer.test")
    assert "MIDSTREAM_JWT_AUDIENCE: must be set with `jwt_issuer`" in refusal(process)


@pytest.mark.timeout(240)
async def test_with_keys_in_redis_alone_it_says_how_to_make_one(
    start_up: StartUp, run_python: RunPython, tmp_path: Path
) -> None:
    chosen = {"MIDSTREAM_KEYS": "redis", "MIDSTREAM_DEFAULT_MODEL": "simulator/lorem?deltas=3"}
    running = await start_up(**chosen)
    hint = next(line for line in running.banner.splitlines() if "Make a key" in line)
    words = shlex.split(hint.partition(": ")[2])
    made = run_python(*words[words.index("-m") :], **chosen)
    out, _ = await asyncio.to_thread(made.communicate, timeout=30)
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        for key, status in ((out.strip(), 200), ("wrong", 401)):
            answer = await client.get(f"{running.base}/v1/generations", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == status
    assert "Bearer $KEY" in running.banner
    assert "simulator/lorem?deltas=3" in running.banner
    err = await running.end(signal.SIGINT)
    assert running.process.returncode == 0, err


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(StartError, match=rf"{re.escape(host)}.*--host"):
        up.free_port(host, 0)


def test_a_folder_of_ours_by_name_where_the_user_stands_is_not_ours(run_python: RunPython, tmp_path: Path) -> None:
    for name in ("api", "shared", "worker", "midstream"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not this one')")
    process = run_python(*up._command("--help")[1:])
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


@pytest.mark.timeout(240)
async def test_answers_where_the_user_has_packages_named_as_ours(start_up: StartUp, tmp_path: Path) -> None:
    users_own(tmp_path, "package")
    running = await start_up(PYTHONPATH=".")
    events, _ = await running.ask("?rate=0")
    assert "\nevent: completed\n" in events
    assert "not this one" not in await running.end(signal.SIGINT)


def ports_in_a_row(count: int) -> int:
    """The first of so many ports on which nobody listens."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first


@pytest.mark.timeout(240)
async def test_each_process_has_a_port_for_its_metrics_and_all_lines_are_json(
    run_python: RunPython, tmp_path: Path
) -> None:
    first = ports_in_a_row(4)
    process = run_python(
        *("-m", "midstream", "up", "--port=0", "--data-dir=data", "--processes=2", "--workers=2"),
        MIDSTREAM_METRICS_PORT=str(first),
        MIDSTREAM_LOG_FORMAT="json",
    )
    lines: list[dict[str, str]] = []

    def ready() -> None:
        assert process.stderr is not None
        for line in iter(process.stderr.readline, ""):
            lines.append(json.loads(line))
            if "is ready at" in lines[-1]["message"]:
                return
        raise AssertionError(lines)

    await asyncio.wait_for(asyncio.to_thread(ready), START_TIMEOUT)
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        said = [(await client.get(f"http://127.0.0.1:{port}/metrics")).text for port in range(first, first + 4)]
    assert ["midstream_viewers" in text for text in said] == [True, True, False, False], "first the APIs"
    assert ["midstream_leases" in text for text in said] == [False, False, True, True], "then the workers"
    process.terminate()
    out, err = await asyncio.to_thread(process.communicate, timeout=30)
    assert (process.returncode, out) == (0, "")
    lines += [json.loads(line) for line in err.splitlines()]
    assert {line["process"] for line in lines} >= {"up", "api-1", "api-2", "worker-1", "worker-2", "simulator"}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


@pytest.mark.parametrize("command", [("up", "--data-dir=data"), ("api",), ("worker",), ("worker", "--processes=2")])
async def test_a_port_of_metrics_in_use_is_one_clear_line(run_python: RunPython, command: tuple[str, ...]) -> None:
    words = (*command, "--port=0") if command[0] != "worker" else command
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(run_python("-m", "midstream", *words, MIDSTREAM_METRICS_PORT=str(port)))
    assert f"MIDSTREAM_METRICS_PORT: cannot listen on 127.0.0.1 port {port}" in line


async def test_an_error_of_a_start_is_json_too(run_python: RunPython) -> None:
    process = run_python("-m", "midstream", "worker", MIDSTREAM_LOG_FORMAT="json", MIDSTREAM_LEASE="none")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    [line] = err.splitlines()
    assert "MIDSTREAM_LEASE" in json.loads(line)["message"]


def test_ports_that_there_are_not_are_refused() -> None:
    with pytest.raises(StartError, match="MIDSTREAM_METRICS_PORT"):
        up.metrics_ports(Settings(metrics_port=65_535), 2)
    assert up.metrics_ports(Settings(metrics_port=0), 2) == [{"MIDSTREAM_METRICS_PORT": "0"}] * 2
    assert up.metrics_ports(Settings(), 2) == [{}, {}]


async def post(base: str, path: str) -> int:
    async with httpx2.AsyncClient(timeout=30) as client:
        return (await client.post(base + path)).status_code


async def page(base: str) -> str:
    async with httpx2.AsyncClient(timeout=30) as client:
        return (await client.get(base)).text


@pytest.mark.timeout(240)
async def test_with_the_simulator_alone_a_worker_can_be_killed_in_mid_answer(start_up: StartUp, gone: Gone) -> None:
    running = await start_up("--workers=2", MIDSTREAM_LEASE="1")
    assert "<body data-demo" in await page(running.base)
    before = set(running.children())
    asking = asyncio.create_task(running.ask("?deltas=60&rate=10"))
    while not re.search(r'"state":"running"', await page(f"{running.base}/v1/generations")):
        await asyncio.sleep(0.02)
    assert await post(running.base, "/demo/kill") == 204
    events, _ = await asking
    # The worker that ran it was killed, and not the other one: the answer went on elsewhere.
    attempts = [
        json.loads(data)["reason"] for data in re.findall(r"^event: attempt\ndata: (.*)$", events, re.MULTILINE)
    ]
    assert attempts == ["new", "worker_lost"]
    assert "\nevent: completed\n" in events
    [killed] = before - set(running.children())
    await gone(killed)
    while len(running.children()) < len(before):
        await asyncio.sleep(0.02)
    err = await running.end(signal.SIGINT)
    assert "ended with status -9; starting it again" in err


@pytest.mark.timeout(240)
async def test_beside_a_provider_nothing_can_be_killed_or_cut(start_up: StartUp) -> None:
    running = await start_up(OPENAI_API_KEY="k")
    assert "data-demo" not in await page(running.base)
    assert [await post(running.base, path) for path in ("/demo/kill", "/demo/cut")] == [404, 404]
    await running.end(signal.SIGINT)
