"""Listening sockets: one for each address of the host."""

import errno
import socket
from typing import Any

from api.supervisor import logger
from shared.errors import SettingsError

DEFAULT_HOST = "127.0.0.1"
ADDRESS_ABSENT_ERRNOS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Error numbers of an address that this machine does not have."""


def listen(host: str, port: int, send_buffer: int, *, share: bool = False) -> list[socket.socket]:
    """Opens sockets on all addresses that this machine has of the host; with `share`, of several processes.

    Their connections have a send buffer of this many bytes. Raises SettingsError where an address cannot be had.
    """
    try:
        found = dict.fromkeys(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        raise SettingsError(f"MIDSTREAM_HOST: cannot listen on {host}: {error.strerror}") from None
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    for family, _, _, _, address in found:
        try:
            listeners.append(_listener(family, _on(address, listeners), send_buffer, share=share))
        except OSError as error:
            if error.errno in ADDRESS_ABSENT_ERRNOS:
                absent = error
                continue
            for listener in listeners:
                listener.close()
            raise SettingsError(
                f"MIDSTREAM_PORT: cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
            ) from None
    if not listeners and absent is not None:
        raise SettingsError(
            f"MIDSTREAM_HOST: cannot listen on {host} port {port}: {absent.strerror}; name an address of this machine"
        )
    return listeners


def also_localhost(first: socket.socket, send_buffer: int, *, share: bool = False) -> list[socket.socket]:
    """Opens what `localhost` means beside 127.0.0.1: some clients ask ::1 first, and only once (Node 17 to 19).

    An address that cannot be had is done without; where another program has the port, that is logged.
    """
    listeners: list[socket.socket] = []
    port = first.getsockname()[1]
    try:
        found = dict.fromkeys(socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM))
    except OSError:
        return []
    for family, _, _, _, address in found:
        if family != socket.AF_INET6:
            continue
        try:
            listeners.append(_listener(family, address, send_buffer, share=share))
        except OSError as error:
            if error.errno not in ADDRESS_ABSENT_ERRNOS:
                logger.warning("cannot listen on %s port %d too: %s", address[0], port, error.strerror)
    return listeners


def _on(address: Any, listeners: list[socket.socket]) -> Any:
    """Returns the address, with the port that the first has where it was any."""
    host, port, *rest = address
    return (host, port or (listeners[0].getsockname()[1] if listeners else 0), *rest)


def _listener(family: int, address: Any, send_buffer: int, *, share: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Before connections exist, as they inherit it: the kernel would otherwise grow it to megabytes for a viewer
        # that does not read.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
