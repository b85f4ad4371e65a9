"""The supervisor over small real programs: they come back when they die and go when they must."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from midstream.errors import StartError
from midstream.processes import subprocess
from midstream.processes.subprocess import Subprocess, keep
from tests.harness.repository import ROOT
from tests.midstream.conftest import Gone, ended

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""

# Supervises a server and two stages of children; each says its process id, and that it ends.
SUPERVISOR = """
import asyncio, os, sys
from midstream.processes.subprocess import Subprocess
from midstream.commands.up import supervise
PROGRAM = '''
import os, signal, sys, time
def end(*_):
    # Not print, which fails where the signal comes in the middle of the print below.
    os.write(1, f"ends {{time.monotonic_ns()}}{{os.linesep}}".encode())
    sys.exit()
signal.signal(signal.SIGTERM, {handler})
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(2))
print(f"pid {{os.getpid()}}", flush=True)
time.sleep(600)
'''
def make(name):
    return Subprocess(name, [sys.executable, "-c", PROGRAM], os.environ)
async def main():
    server = make("server")
    await server.start()
    async def greeting():
        print("ready", flush=True)
    try:
        status = await supervise([[make("front-1"), make("front-2")], [make("back")]], server, greeting)
    finally:
        await server.stop()
    sys.exit(status)
asyncio.run(main())
"""


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def python(name: str, program: str, *, stop_timeout: float = 5.0) -> Subprocess:
    return Subprocess(name, [sys.executable, "-c", program], os.environ, stop_timeout=stop_timeout)


async def test_relays_each_line_with_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    speaker = python("api", "import sys; print('one'); sys.stdout.flush(); sys.stderr.write('two')")
    await speaker.start()
    assert await speaker.wait() == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "      api | one\n      api | two\n"


async def test_a_line_without_end_is_relayed_in_bounded_pieces(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "MAX_LINE_BYTES", 1000)
    speaker = python("api", "print('x' * 10_000, end='')")
    await speaker.start()
    await speaker.wait()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) >= 5
    assert sum(line.count("x") for line in lines) == 10_000


async def test_restarts_what_dies_with_growing_pauses(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    starts = tmp_path / "starts"
    dying = python("worker", f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(7)")
    dying.ready.set()
    await dying.start()
    keeper = asyncio.create_task(keep(dying, first_pause_s=0.02, last_pause_s=0.08))
    await until(lambda: starts.exists() and len(starts.read_text()) == 5)
    keeper.cancel()
    await asyncio.wait({keeper})  # it may be in the midst of a start, whose child it ends
    await dying.stop()
    said = [line for line in capfd.readouterr().err.splitlines() if "status 7" in line]
    pauses = [float(line.split(" in ")[1].split()[0]) for line in said[:4]]
    assert pauses == [0.0, 0.0, 0.1, 0.1]
    assert "worker ended with status 7; starting it again" in said[0]


async def test_what_ends_again_and_again_before_it_was_ever_ready_is_given_up(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    dying = python("worker", f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(7)")
    await dying.start()
    with pytest.raises(StartError, match="worker ended 5 times before it was ready"):
        await keep(dying, first_pause_s=0.02, steady_after_s=0.0)  # however long each of them ran
    assert starts.read_text() == "xxxxx"
    assert capfd.readouterr().err.count("starting it again") == 4


READY = """
import os, sys, time
from shared.process.readiness import say_ready
say_ready()
print(f"said it to {os.environ.get('NOTIFY_SOCKET')}", flush=True)
time.sleep(600)
"""


async def test_a_child_says_that_it_is_ready_to_us_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(tmp_path / "ours")}
    command = [sys.executable, "-c", READY]
    silent = Subprocess("simulator", command, environment)
    speaking = Subprocess("worker", command, environment, says_ready=True)
    for each in (silent, speaking):
        await each.start(tmp_path)
    async with asyncio.timeout(15):
        await speaking.ready.wait()
    heard = ""
    while heard.count("said it to") < 2:
        heard += capfd.readouterr().err
        await asyncio.sleep(0.02)
    assert f"   worker | said it to {tmp_path / 'worker'}" in heard
    assert "simulator | said it to None" in heard
    assert not silent.ready.is_set()
    await asyncio.gather(silent.stop(), speaking.stop())


async def test_a_configuration_error_is_not_retried() -> None:
    refusing = python("api", "raise SystemExit(2)")
    await refusing.start()
    with pytest.raises(StartError, match="api refused its configuration"):
        await keep(refusing)


async def test_kills_what_does_not_end(capfd: pytest.CaptureFixture[str]) -> None:
    deaf = python("worker", DEAF, stop_timeout=0.3)
    await deaf.start()
    heard: list[str] = []

    def started() -> bool:
        heard.append(capfd.readouterr().err)
        return "deaf" in "".join(heard)

    await until(started)
    await deaf.stop()
    assert ended(deaf.pid)
    assert "worker did not end within" in capfd.readouterr().err


async def test_what_was_ready_is_started_again_also_where_it_refuses_its_configuration_now(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    refusing = python("worker", f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(2)")
    refusing.ready.set()
    await refusing.start()
    keeper = asyncio.create_task(keep(refusing, first_pause_s=0.01, last_pause_s=0.02))
    await until(lambda: starts.exists() and len(starts.read_text()) > 5)
    assert not keeper.done()
    keeper.cancel()
    await asyncio.wait({keeper})  # it may be in the midst of a start, whose child it ends
    await refusing.stop()


async def read_pids(supervisor: asyncio.subprocess.Process) -> dict[str, int]:
    """Process ids by name, when all four programs have said theirs."""
    assert supervisor.stderr is not None
    pids: dict[str, int] = {}
    async with asyncio.timeout(15):
        while len(pids) < 4:
            name, _, text = (await supervisor.stderr.readline()).decode().partition("|")
            if text.strip().startswith("pid"):
                pids[name.strip()] = int(text.split()[1])
    return pids


async def start_supervisor(handler: str, tmp_path: Path, *before: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-c",
        SUPERVISOR.format(handler=handler),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_all_in_stages(number: signal.Signals, tmp_path: Path) -> None:
    supervisor = await start_supervisor("end", tmp_path)
    pids = await read_pids(supervisor)
    supervisor.send_signal(number)
    out, err = await asyncio.wait_for(supervisor.communicate(), 15)
    assert supervisor.returncode == 0
    assert out == b"ready\n"
    # By the children's own clock: their lines come over pipes of their own, in any order.
    ends = re.findall(r"^ *(\S+) \| ends (\d+)$", err.decode(), re.MULTILINE)
    order = [name for name, _ in sorted(ends, key=lambda end: int(end[1]))]
    assert sorted(order[:2]) == ["front-1", "front-2"]
    assert order[2:] == ["back", "server"]
    assert all(ended(pid) for pid in pids.values())


async def test_nohup_outlives_a_hangup(tmp_path: Path) -> None:
    supervisor = await start_supervisor("end", tmp_path, "nohup")
    await read_pids(supervisor)
    supervisor.send_signal(signal.SIGHUP)
    supervisor.send_signal(signal.SIGTERM)
    await asyncio.wait_for(supervisor.communicate(), 15)
    # With two signals heard it would have been the second one that ended it.
    assert supervisor.returncode == 0


async def test_a_second_signal_kills(tmp_path: Path) -> None:
    supervisor = await start_supervisor("signal.SIG_IGN", tmp_path)
    pids = await read_pids(supervisor)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.stderr is not None
    while b"stopping" not in await asyncio.wait_for(supervisor.stderr.readline(), 15):
        pass
    os.kill(pids["server"], signal.SIGKILL)
    supervisor.send_signal(signal.SIGINT)
    await asyncio.wait_for(supervisor.communicate(), 4)
    assert supervisor.returncode == 130
    assert all(ended(pid) for pid in pids.values())


async def test_a_killed_child_comes_back_and_a_killed_supervisor_takes_all_along(tmp_path: Path, gone: Gone) -> None:
    supervisor = await start_supervisor("end", tmp_path)
    pids = await read_pids(supervisor)
    os.kill(pids["front-1"], signal.SIGKILL)
    assert supervisor.stderr is not None
    async with asyncio.timeout(15):
        while not (line := (await supervisor.stderr.readline()).decode()).startswith("  front-1 | pid"):
            assert line
    pids["front-1 again"] = int(line.split()[-1])
    assert pids["front-1 again"] != pids["front-1"]
    supervisor.kill()
    for pid in pids.values():
        await gone(pid)
    await supervisor.communicate()


async def test_a_child_that_refuses_its_configuration_ends_the_run(tmp_path: Path) -> None:
    supervisor = await start_supervisor("end", tmp_path)
    pids = await read_pids(supervisor)
    os.kill(pids["back"], signal.SIGUSR1)
    _, err = await asyncio.wait_for(supervisor.communicate(), 15)
    assert supervisor.returncode == 1
    assert b"StartError: back refused its configuration" in err
    assert err.count(b"| ends") == 3
    assert all(ended(pid) for pid in pids.values())
