"""sd_notify(3), to a socket as systemd would have it."""

from __future__ import annotations

import secrets
import socket
import sys
from pathlib import Path

import pytest

from shared.process.readiness import say_ready


def heard(address: str, variable: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(5)
        say_ready({"NOTIFY_SOCKET": variable})
        return receiver.recv(100)


def test_a_path(tmp_path: Path) -> None:
    assert heard(str(tmp_path / "notify"), str(tmp_path / "notify")) == b"READY=1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract addresses are Linux's")
def test_an_abstract_address() -> None:
    name = f"midstream-{secrets.token_hex(8)}"
    assert heard(f"\0{name}", f"@{name}") == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_nobody_waits(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    say_ready(environment)


def test_who_waited_is_gone(tmp_path: Path) -> None:
    say_ready({"NOTIFY_SOCKET": str(tmp_path / "gone")})
