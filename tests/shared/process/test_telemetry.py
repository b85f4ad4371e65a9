"""Logging: one line for each message, at the level that is set, without what libraries would say of a request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.process import json_lines
from shared.process.json_lines import JsonLines
from shared.process.telemetry import OneLine, configure_logging, count_tasks_on_signal


def test_a_message_is_one_line_and_a_traceback_is_told_from_it() -> None:
    formatter = OneLine("%(levelname)s %(message)s")
    try:
        raise ValueError("x\nERROR forged \x1b[2J \u202e")
    except ValueError:
        record = logging.LogRecord("n", logging.INFO, "f", 1, "of %s", ("a\nERROR \x1b",), sys.exc_info())
    first, *others = formatter.format(record).split("\n")
    assert first == "INFO of a\\nERROR \\x1b"
    assert len(others) > 3
    for line in others:
        assert line.startswith("  | ")
        assert line.isprintable()


@contextmanager
def bare() -> Iterator[logging.Logger]:
    """The root logger without handlers while inside: a test has some from the start."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_lines_are_on_stderr_once_and_a_second_call_sets_the_level_only() -> None:
    with bare() as root:
        configure_logging("info")
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        assert handler.stream is sys.stderr
        assert isinstance(handler.formatter, OneLine)
        assert root.level == logging.INFO
        configure_logging("warning")
        assert root.handlers == [handler]
        assert root.level == logging.WARNING


def test_lines_are_json_where_that_is_asked_for() -> None:
    with bare() as root:
        configure_logging("info", "json")
        try:
            assert isinstance(root.handlers[0].formatter, JsonLines)
            assert json_lines.wanted(), "what is printed beside the log is JSON too"
        finally:
            json_lines.want(False)


def test_libraries_that_would_show_a_request_are_quiet_at_any_level() -> None:
    with bare():
        configure_logging("debug")
        for name in ("httpx", "httpx2", "httpcore", "openai", "anthropic", "asyncio"):
            assert not logging.getLogger(name).isEnabledFor(logging.INFO), name
        assert logging.getLogger("midstream.worker").isEnabledFor(logging.DEBUG)


async def test_a_signal_asks_how_many_tasks_there_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    count_tasks_on_signal()
    others = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(5):
            while not caplog.records:
                await asyncio.sleep(0.001)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
        for task in others:
            task.cancel()
    (record,) = caplog.records
    assert record.getMessage() == f"{len(others) + 1} tasks"
