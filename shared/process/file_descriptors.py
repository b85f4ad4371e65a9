"""File descriptors: each connection takes one, and a shell gives 256 (macOS) or 1,024 although more are allowed."""

import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress

logger = logging.getLogger("midstream")

RESERVED_DESCRIPTORS = 128
"""What a worker needs beside its calls: connections to both Redis, files, the loop's own."""
WANTED_LIMITS = (1_048_576, 65_536, 10_240)
"""Where there is no hard limit: what is asked for in turn. Linux allows the first unless told (fs.nr_open), some macOS
no more than the last (OPEN_MAX)."""

EXHAUSTED_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What the system says where this process or machine has no descriptor, memory or port left for a connection."""


def raise_limit() -> int:
    """Raises the soft limit of descriptors of this process as far as it goes; returns the limit that it then has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in WANTED_LIMITS if hard == resource.RLIM_INFINITY else (hard, *WANTED_LIMITS):
        if soft == resource.RLIM_INFINITY or wanted <= soft:
            continue
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def places(concurrency: int) -> int:
    """Returns for how many generations there are descriptors, up to `concurrency`; warns in the log where for fewer."""
    limit = raise_limit()
    if not (lack := shortage(concurrency, limit)):
        return concurrency
    fit = max(1, limit - RESERVED_DESCRIPTORS)
    logger.warning("%s; until then this worker takes %d generations at a time", lack, fit)
    return fit


def shortage(concurrency: int, limit: int | None = None) -> str | None:
    """Returns what to do where a process may not have the descriptors for `concurrency`; None where it may."""
    if limit is None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = _number(hard if hard != resource.RLIM_INFINITY else max(soft, WANTED_LIMITS[-1]))
    need = concurrency + RESERVED_DESCRIPTORS
    if limit >= need:
        return None
    return (
        f"a process may have {limit} file descriptors, and MIDSTREAM_CONCURRENCY={concurrency} needs {need}: "
        f"raise the hard limit (ulimit -Hn {need}, LimitNOFILE={need} in systemd), or lower the setting"
    )


def is_exhausted(error: BaseException | None) -> bool:
    """Says whether an error, or one of its causes, means that nothing is left here for another connection."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        # A name that could not be looked up: its numbers are others, and none of them says why.
        return _nothing_left()
    return any(isinstance(cause, OSError) and cause.errno in EXHAUSTED_ERRNOS for cause in causes)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _nothing_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in EXHAUSTED_ERRNOS
    return False


def _number(limit: int) -> int:
    return WANTED_LIMITS[0] if limit == resource.RLIM_INFINITY else limit
