"""Listening sockets: one for each address of the host, and a line for one that cannot be had."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import pytest

from api.serving.listeners import also_localhost, listen
from shared.errors import SettingsError


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^MIDSTREAM_PORT: .* port {port}: .*--port$"):
            listen("127.0.0.1", port, 65_536)


def test_unknown_host_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_HOST: cannot listen on 127\.0\.0\.1\.5"):
        listen("127.0.0.1.5", 0, 65_536)


def test_an_address_of_another_machine_is_blamed_on_the_host() -> None:
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_HOST: cannot listen on 203\.0\.113\.1"):
        listen("203.0.113.1", 0, 65_536)


def test_connections_inherit_the_bounded_send_buffer() -> None:
    [listener] = listen("127.0.0.1", 0, 16_384)
    with listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                # Linux reports twice what was asked for: it counts its own bookkeeping.
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 16_384


def addresses(*hosts: str) -> Any:
    """What a resolver says: these, in this order."""

    def found(host: str, port: int, **_: object) -> list[Any]:
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in hosts for _ in range(2)]

    return found


def test_all_addresses_of_a_name_are_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # One that this machine lacks is done without.
    monkeypatch.setattr(socket, "getaddrinfo", addresses("203.0.113.1", "127.0.0.2", "127.0.0.1"))
    listeners = listen("localhost", 0, 65_536)
    with contextlib.ExitStack() as stack:
        names = [stack.enter_context(listener).getsockname() for listener in listeners]
        assert [name[0] for name in names] == ["127.0.0.2", "127.0.0.1"]
        assert len({name[1] for name in names}) == 1
        with pytest.raises(SettingsError, match=r"^MIDSTREAM_PORT: "):
            listen("localhost", names[0][1], 65_536)


def test_the_default_is_localhost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", addresses("127.0.0.1"))
    [first] = listen("127.0.0.1", 0, 65_536)
    monkeypatch.setattr(socket, "getaddrinfo", addresses("::1", "127.0.0.1"))
    with first:
        others = also_localhost(first, 65_536)
        for other in others:
            other.close()
    assert len(others) == socket.has_dualstack_ipv6()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_a_port_of_localhost_that_another_program_has_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", addresses("127.0.0.1"))
        [first] = listen("127.0.0.1", port, 65_536)
        monkeypatch.setattr(socket, "getaddrinfo", addresses("::1", "127.0.0.1"))
        with first:
            assert also_localhost(first, 65_536) == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"cannot listen on ::1 port {port} too" in record.getMessage()


def test_a_shared_port_is_for_who_shares_it() -> None:
    [first] = listen("127.0.0.1", 0, 65_536, share=True)
    with first:
        port = first.getsockname()[1]
        [second] = listen("127.0.0.1", port, 65_536, share=True)
        second.close()
        with pytest.raises(SettingsError, match=r"^MIDSTREAM_PORT: "):
            listen("127.0.0.1", port, 65_536)


def test_a_port_that_is_taken_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", addresses("127.0.0.2", "127.0.0.1"))
        monkeypatch.setattr(socket, "socket", Noted)
        with pytest.raises(SettingsError):
            listen("localhost", port, 65_536)
    assert [one.fileno() for one in made] == [-1, -1]
