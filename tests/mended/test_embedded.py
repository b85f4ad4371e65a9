"""The embedded server: a damaged file, a full disk, and a socket that belongs to somebody whom we cannot see."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Start
from tests.mended.once import ended, program
from tests.mended.running import environment, executable, until
from tests.mended.test_operation import binary

NOBODY = """
import asyncio, os, pathlib, socket
try:
    from midstream.processes import unix_socket
except ImportError:  # as it was before the rooms
    from midstream import unix_socket

signalled = []
os.kill = lambda pid, number: signalled.append(pid)
unix_socket._listener = lambda connection: 0
listener = socket.socket(socket.AF_UNIX)
listener.bind("listener.sock")
listener.listen()
try:
    asyncio.run(unix_socket.end_listener(pathlib.Path("listener.sock"), 0.1))
except Exception as error:
    print(error)
print("signalled:", signalled)
"""
"""What follows where the kernel names no process: the one place that looks inside, as not every machine has another
PID namespace to give."""


@pytest.mark.mended("redis-20")
def test_a_damaged_file_has_a_remedy_that_works(start: Start, tmp_path: Path) -> None:
    running = start(folder=tmp_path)
    generation = running.ask("simulator/echo")
    text = running.end(generation)["text"]
    assert running.stop(signal.SIGINT) == 0
    file = sorted((tmp_path / "data/appendonlydir").glob("*.incr.aof"))[-1]
    # What a power cut leaves of a file that had grown.
    file.write_bytes(file.read_bytes() + bytes(512))
    status, said = ended(tmp_path, "up", "--port", str(free_port()), "--data-dir", "data")
    assert status == 2, said
    (remedy,) = re.findall(r"`([^`]+)`", said.strip().splitlines()[-1])
    words = shlex.split(remedy)
    words[0] = executable() if "midstream" in words[0] else words[0]
    repaired = subprocess.run(
        words, cwd=tmp_path, env=environment(tmp_path), capture_output=True, check=False, text=True
    )
    assert repaired.returncode == 0, repaired
    assert "512 bytes" in repaired.stdout
    again = start(folder=tmp_path)
    assert again.snapshot(generation)["text"] == text
    (copy,) = (tmp_path / "data").glob("appendonlydir-*")
    assert (copy / file.name).read_bytes().endswith(bytes(512))


@pytest.mark.mended("redis-20")
def test_a_full_disk_at_the_start_is_said(tmp_path: Path) -> None:
    # No file may grow past 8 kB: what a full disk refuses, this does.
    words = ("up", "--port", str(free_port()), "--data-dir", "data")
    with program(tmp_path, *words, limits="-f 8") as started:
        assert started.status() == 2
        said = started.output().strip().splitlines()[-1]
    assert "cannot write to the disk" in said
    assert "--data-dir" in said


@pytest.mark.mended("redis-20")
def test_a_server_of_another_pid_namespace_is_not_ended_by_ending_ourselves(tmp_path: Path) -> None:
    """Two containers on one volume: the kernel calls a process that we cannot see 0, for kill(2) our own group."""
    seen = subprocess.run(
        [Path(executable()).with_name("python"), "-c", NOBODY],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert "another" in seen.stdout, seen
    assert "signalled: []" in seen.stdout, seen
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        return  # this machine has no user namespaces: what the kernel says in one has been played above
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    socket = data / "valkey.sock"
    server = subprocess.Popen(
        [*apart, str(binary()), "--port", "0", "--unixsocket", str(socket), "--dir", str(data)],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(socket.exists, 20)
        words = [executable(), "up", "--port", str(free_port()), "--data-dir", str(data)]
        # A namespace of its own, in which the server's process has no id; and a bystander in its group.
        script = 'sleep 60 & "$@"; echo "status $?"; kill $!'
        started = subprocess.run(
            [*apart, "--mount-proc", "bash", "-c", script, "bash", *words],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            start_new_session=True,
        )
        assert "status 2" in started.stdout, started
        assert "another" in started.stderr
        assert server.poll() is None
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(20)
