"""Logging for the api, the worker and the command line: lines on stderr, without prompts, answers or secrets."""

import asyncio
import logging
import signal
import sys
from typing import Any, Literal

from shared.one_line import escaped
from shared.process import json_lines
from shared.process.json_lines import JsonLines


class OneLine(logging.Formatter):
    """Writes a message as one line, whoever wrote parts of it; the lines of a traceback follow it, behind a bar."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        # An error's text may hold a newline too.
        return "\n".join(f"  | {escaped(line)}" for line in super().formatException(ei).split("\n"))


def configure_logging(level: str, format: Literal["text", "json"] = "text") -> None:
    """Makes this process log to stderr at `level` and above; a second call changes the level only."""
    json_lines.want(format == "json")
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        text = OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
        handler.setFormatter(JsonLines() if format == "json" else text)
        root.addHandler(handler)
    root.setLevel(level.upper())
    # Libraries that log request lines would show what was asked.
    for name in ("httpx", "httpx2", "httpcore", "openai", "anthropic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def count_tasks_on_signal() -> None:
    """Makes this process log at each SIGUSR1 how many tasks its loop has: a number that keeps growing is a leak."""

    def count() -> None:
        logging.getLogger("midstream").info("%d tasks", len(asyncio.all_tasks()))

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, count)
