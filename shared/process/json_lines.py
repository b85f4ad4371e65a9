"""Log lines as JSON: each line one object, whoever wrote it."""

import json
import logging
import re
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from shared.process.log_context import told

_GENERATION = re.compile(r"gen_[a-z2-7]{32}")
MAX_FRAMES = 30
"""Frames of a traceback that are told, the innermost."""


class _Wanted:
    """Whether this process writes JSON."""

    now = False


def want(wanted: bool = True) -> None:
    """Makes this process write its lines as JSON, or as text."""
    _Wanted.now = wanted


def wanted() -> bool:
    """Says whether this process writes its lines as JSON."""
    return _Wanted.now


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object: time, level, logger, message, and what is known beside.

    That is the task's (`log_context.tell`) and the line's own `fields` (`extra={"fields": …}`). Of an exception it says
    what it is and where it came from: its text may quote a request or hold a key.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        message = record.getMessage()
        fields = {**told(), **getattr(record, "fields", {})}
        if "generation" not in fields and len(ids := set(_GENERATION.findall(message))) == 1:
            fields["generation"] = ids.pop()
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = "\n".join(_causes(record.exc_info[1]))
        return _dumped(record.created, record.levelname, record.name, message, fields)


def _causes(error: BaseException) -> Iterator[str]:
    """Yields each error of a chain, the first cause last, and under it where it was raised."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield type(cause).__name__
        for frame in reversed(traceback.extract_tb(cause.__traceback__)[-MAX_FRAMES:]):
            yield f"  at {frame.name} ({frame.filename}:{frame.lineno})"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def line(message: str, name: str, *, level: str = "INFO", **fields: str) -> str:
    """Returns a line of now that no logger has written."""
    return _dumped(time.time(), level, name, message, fields)


def relayed(text: str, process: str) -> str:
    """Returns a line of another process with the name of who wrote it; one that is no JSON becomes the message."""
    try:
        fields = json.loads(text) if text.startswith("{") else None
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        return json.dumps({**fields, "process": process})
    return line(text, "midstream.up", process=process)


def _dumped(seconds: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
    first = {"time": _time(seconds), "level": level, "logger": logger, "message": message}
    # With ASCII only, so that nothing in it is taken for the end of a line, or acts on a terminal.
    return json.dumps({**first, **fields}, default=str)


def _time(seconds: float) -> str:
    """Returns a time in UTC (RFC 3339), to the ms."""
    whole, ms = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{ms:03d}Z"
