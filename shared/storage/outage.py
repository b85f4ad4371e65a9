"""An outage of Redis: each reason is logged once, in Redis' own words, and so is the end of the outage.

While Redis refuses writes for want of memory or disk, or for another reason, every command fails again and again; a
line for each would hide the one that says what to do. The words are Redis' errors, which hold no content and no
credentials.
"""

import asyncio
import logging
import os
import random
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

logger = logging.getLogger("midstream.redis")

MAX_SHOWN_CHARS = 300
"""Characters of Redis' words that are shown."""

_CODES: tuple[tuple[type[RedisError], str], ...] = (
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (BusyLoadingError, "LOADING"),
    (NoPermissionError, "NOPERM"),
    (AuthenticationError, "NOAUTH"),
)
"""Errors from whose text redis-py removes the code, with that code."""
_SPELLED = (
    "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "BUSY", "TRYAGAIN", "UNBLOCKED", "MOVED", "ASK",
)  # fmt: skip
_IN_SCRIPT = "ACL failure in script"
"""Redis' words for a missing permission that a script meets, without its code."""
FULL_CODES = ("OOM", "MISCONF")
"""Refusals for want of memory, or of a disk that takes writes."""
_FAILED = (ConnectionRefusedError, ConnectionResetError, OSError)
_NUMBER = re.compile(r"\[Errno (\d+)\]")
LASTING_CODES = ("NOPERM",)
"""Refusals of some commands only: no probe can show that they are over."""


CROWDED_WORDS = "max number of clients reached"
"""Redis' words where it has `maxclients` connections."""
CROWDED_REMEDY = ": raise its `maxclients`, or lower MIDSTREAM_REDIS_CONNECTIONS"
"""What an operator can do where there are too many connections."""


def refusal(error: BaseException) -> str | None:
    """Returns the code with which Redis refuses what it would take at another time; None for any other error."""
    if type(error) is ConnectionError and isinstance(error.__cause__, RedisError):
        error = error.__cause__  # on a unix socket, redis-py takes any refusal for a failed connection
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    if isinstance(error, ResponseError):
        text = str(error)
        if text.startswith(_IN_SCRIPT):
            return "NOPERM"
        code = text.partition(" ")[0]
        return code if code in _SPELLED else None
    return "ERR" if is_crowded(error) else None


def is_full(error: BaseException) -> bool:
    """Says whether Redis has no room: its memory or its disk is full, or it cannot write to that disk."""
    return refusal(error) in FULL_CODES


def is_crowded(error: BaseException) -> bool:
    """Says whether Redis takes no further connection, as it has `maxclients` of them."""
    return isinstance(error, ConnectionError) and CROWDED_WORDS in str(error)


def is_away(error: BaseException) -> bool:
    """Says whether Redis has not answered, or takes nothing now; any other error is an answer to the command."""
    return not isinstance(error, ResponseError) or refusal(error) is not None


def level(error: BaseException) -> int:
    """Returns the level at which a task logs an error: DEBUG where it is logged as an outage anyway, else WARNING."""
    told = refusal(error) is not None or isinstance(error, ConnectionError)
    return logging.DEBUG if told else logging.WARNING


class Outage:
    """The outage of one Redis, for all its clients in this process."""

    probe_interval_s = 1.0
    """Seconds between two probes."""
    quiet_s = 2.0
    """Seconds without a refusal before an outage is over."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._reasons: dict[str, str] = {}
        """Redis' words that were logged, by their code."""
        self._lasting: set[str] = set()
        self._since = self._last = 0.0
        self._task: asyncio.Task[None] | None = None

    def note(self, error: BaseException, probe: Callable[[], Awaitable[Any]] | None, *, connecting: bool) -> None:
        """Notes that a command was refused, or that no connection could be made, and logs each reason once.

        `probe` writes, to see when that is over.
        """
        code = refusal(error)
        if code is None and not connecting:
            return
        if code in LASTING_CODES:
            self._tell_lasting(str(code), error)
            return
        self._last = time.monotonic()
        if not self._reasons:
            self._since = self._last
        reason = code or _kind(error)
        if reason not in self._reasons:
            self._reasons[reason] = words(error, code)
            remedy = CROWDED_REMEDY if is_crowded(error) else ""
            what = "refuses" if code else "cannot be reached"
            logger.warning("%s %s: %s%s", self._name, what, self._reasons[reason], remedy)
        if probe is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._until_over(probe))

    @property
    def is_crowded(self) -> bool:
        """Whether Redis has refused a connection because it has too many, and the outage is not over."""
        return any(CROWDED_WORDS in words for words in self._reasons.values())

    def close(self) -> None:
        """Ends the probes, as the client is closed."""
        if self._task is not None:
            self._task.cancel()

    def _tell_lasting(self, code: str, error: BaseException) -> None:
        if code not in self._lasting:
            self._lasting.add(code)
            logger.warning("%s refuses: %s", self._name, words(error, code))

    async def _until_over(self, probe: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(self.probe_interval_s * random.uniform(0.8, 1.2))
            try:
                await probe()
            except (RedisError, OSError):
                continue  # which is noted where it is met
            if time.monotonic() - self._last > self.quiet_s:
                break
        logger.info("%s takes writes again, after %.0f s", self._name, self._last - self._since)
        self._reasons.clear()


def _kind(error: BaseException) -> str:
    """Returns what failed of a connection: "TLS" or "name", as each is corrected elsewhere, else "unreachable".

    A single restart shows in many ways: "unreachable" stands for all of them.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLError):
        return "TLS"
    return "name" if isinstance(cause, socket.gaierror) else "unreachable"


def words(error: BaseException, code: str | None) -> str:
    """Returns what Redis said, on one line."""
    text = " ".join(str(error).split())
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError) and type(cause) in _FAILED:
        # asyncio says only that it failed, by a number for each address of a name.
        numbers = {cause.errno or 0, *map(int, _NUMBER.findall(text))} - {0}
        for said in sorted(map(os.strerror, numbers)):
            text += f" ({said})" if said not in text else ""
    if code is not None and not text.startswith(code) and code != "ERR":
        text = f"{code} {text}"
    return "".join(c if c.isprintable() else "?" for c in text)[:MAX_SHOWN_CHARS]


_outages: WeakValueDictionary[str, Outage] = WeakValueDictionary()


def outage_of(url: str) -> Outage:
    """Returns the outage of this Redis, one for all its clients."""
    return _outages.setdefault(url, Outage(url))
