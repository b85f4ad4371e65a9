"""How a process says that it has come to do its work: systemd's protocol, which `midstream up` uses as well."""

import contextlib
import os
import socket
from collections.abc import Mapping

NOTIFY_VARIABLE = "NOTIFY_SOCKET"
"""Names the socket of whoever waits for it; not set where nobody does."""


def say_ready(environment: Mapping[str, str] = os.environ) -> None:
    """Sends `READY=1` to the datagram socket that `NOTIFY_SOCKET` names (sd_notify(3)); ignores one that is gone."""
    address = environment.get(NOTIFY_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    # In an abstract address, which begins with a NUL, the variable has an @ (unix(7)).
    name = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(b"READY=1", name)
