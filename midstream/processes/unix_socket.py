"""The embedded server's unix socket: where it is, whether somebody answers, and who."""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

from midstream.errors import StartError
from midstream.processes.polling import until

# sun_path holds 108 bytes on Linux and 104 on macOS, with the final NUL (unix(7), unix(4)).
MAX_PATH_BYTES = 100
PING_TIMEOUT_S = 1.0


def socket_path(data_dir: Path) -> Path:
    """Returns where a server on this folder listens. Raises StartError where no private place for it can be had."""
    path = data_dir.absolute() / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"midstream-{os.getuid()}-{digest}"
    if len(os.fsencode(folder)) > MAX_PATH_BYTES - len("/valkey.sock"):
        folder = Path("/tmp") / folder.name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StartError(
            f"{data_dir} is too long for a socket and {folder} cannot be made ({error.strerror}): choose a "
            "shorter --data-dir"
        ) from None
    # The temporary folder is everybody's: somebody else's folder of this name would own our socket.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartError(f"{folder} is not a private folder of yours: remove it or choose a shorter --data-dir")
    return folder / "valkey.sock"


async def ping(path: Path) -> bytes:
    """Returns the first line that the server says to PING; empty where nobody answers."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline()
            finally:
                writer.close()
    except OSError:
        return b""


async def end_listener(path: Path, timeout: float) -> int | None:  # noqa: ASYNC109
    """Ends the process that listens at `path`, in order and then by force, each with `timeout` seconds.

    Returns None when nobody listens any more, else the process id that would not go. Raises StartError for one that
    cannot be known here: it has no process id in this PID namespace, and 0 would be our own process group.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        try:
            connection.connect(str(path))
        except OSError:
            return None
        listener = _listener(connection)
        if listener <= 0:
            raise StartError(
                f"{path} is held by a server of another container or PID namespace: end it there, or choose another "
                "folder with --data-dir"
            )
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(listener, ending)
            # The kernel closes our connection when the process is gone, also for one that is not our child.
            if await until(lambda: _closed(connection), timeout):
                return None
        return listener


def _listener(connection: socket.socket) -> int:
    """Returns the process id behind a unix socket: SO_PEERCRED (unix(7)), LOCAL_PEERPID on macOS (sys/un.h)."""
    if sys.platform == "darwin":
        return int(connection.getsockopt(0, 2))
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
