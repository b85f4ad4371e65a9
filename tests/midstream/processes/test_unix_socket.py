"""Who listens on the embedded server's socket, and whom not to end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from midstream.errors import StartError
from midstream.processes import unix_socket
from midstream.processes.unix_socket import end_listener


@pytest.mark.parametrize("pid", [0, -1])
async def test_a_listener_without_a_process_id_is_never_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int
) -> None:
    """0 and -1 would be our own process group and everybody (kill(2)). It is so for one of another PID namespace."""
    signalled: list[int] = []
    monkeypatch.setattr(os, "kill", lambda target, _: signalled.append(target))
    monkeypatch.setattr(unix_socket, "_listener", lambda _: pid)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(StartError, match="another container"):
            await end_listener(tmp_path / "s", 0.1)
    assert signalled == []
