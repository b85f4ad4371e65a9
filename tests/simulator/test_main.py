"""The simulator as a process: where it listens, how it ends, and what it says where it cannot begin."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulator import main
from tests.simulator.test_server import PATHS, body


def test_a_unix_socket(launch: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "simulator.sock"
    with launch("--uds", str(path)) as (_, address):
        assert address == f"unix:{path}"
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://simulator") as client:
            assert client.get("/livez").status_code == 200
            with pytest.raises(httpx2.TransportError):
                client.post(PATHS[0], json=body("lorem?rate=0&fault=reset@2"))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_answers_running(launch: Callable[..., Any], sent: signal.Signals) -> None:
    with launch("--port", "0") as (process, address):
        with (
            httpx2.Client(base_url=address, timeout=10) as client,
            client.stream("POST", PATHS[0], json=body("lorem?fault=stall")) as answer,
        ):
            stopped = time.monotonic()
            process.send_signal(sent)
            with pytest.raises(httpx2.TransportError):
                answer.read()
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - stopped < 5
        assert errors == b""
        assert process.returncode in (0, -sent)


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "simulator", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr == f"simulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """With what `run` was called."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(main, "run", lambda *given: calls.append(given))
    return calls


@pytest.mark.parametrize(
    ("words", "key", "given"),
    [
        ([], None, (8090, "127.0.0.1", None, None)),
        (["--port", "0", "--host", "::1"], None, (0, "::1", None, None)),
        (["--uds", "/tmp/s"], "right", (8090, "127.0.0.1", "/tmp/s", "right")),
        (["--require-key", "other"], "right", (8090, "127.0.0.1", None, "other")),
        ([], "", (8090, "127.0.0.1", None, None)),
    ],
)
def test_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
    asked: list[tuple[Any, ...]],
    words: list[str],
    key: str | None,
    given: tuple[Any, ...],
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulator", *words])
    if key is not None:
        monkeypatch.setenv(main.KEY_VARIABLE, key)
    main.main()
    assert asked == [given]


@pytest.mark.parametrize("port", [65_536, -1])
def test_what_is_no_port_is_one_line(port: int) -> None:
    command = [sys.executable, "-m", "simulator", f"--port={port}"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True)
    assert (done.returncode, done.stderr) == (1, f"simulator: {port} is no port: give one from 0 to 65535\n")


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("203.0.113.1", "cannot listen on 203.0.113.1:0: Cannot assign requested address"),
        ("no.such.host.invalid", "cannot listen on no.such.host.invalid:0: "),
    ],
)
def test_an_address_that_cannot_be_had_is_one_line(host: str, says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(0, host)
    assert str(ended.value).startswith(f"simulator: {says}")
    assert "\n" not in str(ended.value)
