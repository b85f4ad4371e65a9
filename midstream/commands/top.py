"""`midstream top`: how the queue, its workers, its owners, the providers and Redis do, each second."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

import msgspec

from midstream.checks import queue_check, redis_setup
from midstream.checks.status_source import ApiStatus, RedisStatus, StatusSource
from midstream.commands.doctor import configured, with_server
from midstream.errors import ClientError, UnreachableError
from midstream.output.top_view import Rates, Screen, Trouble, lines
from midstream.program import typed
from midstream_client import RetryBudget
from shared.one_line import json_escaped
from shared.queue.status import Status

REDRAW_S = 1.0


def run(data_dir: Path, url: str | None, key: str | None, *, once: bool, json: bool) -> int:
    """Shows the status each second until Ctrl-C; returns the exit code. Raises SettingsError and ClientError.

    Where stdout is no terminal that can be redrawn, it is shown once, or with `json` as a line each second.
    """
    with source(data_dir, url, key) as status, _ended_by_signals():
        try:
            if json:
                _write_json(status, once=once)
            elif once or not Screen.is_possible():
                _write_once(status)
            else:
                _redraw(status)
        except KeyboardInterrupt:
            pass
    return 0


def source(data_dir: Path, url: str | None, key: str | None) -> StatusSource:
    """Returns where the status is read. Raises SettingsError, and ClientError where nothing runs here."""
    if url is not None:
        return ApiStatus(url, key, lambda: RetryBudget(total=0.0))
    if (found := with_server(configured(), data_dir)) is None:
        hint = f"start it with `{typed('up')}`, set MIDSTREAM_REDIS_URL, or ask a server with --url"
        raise UnreachableError(f"no embedded server runs in {data_dir}; {hint}")
    return RedisStatus(found)


def troubles(status: Status) -> list[Trouble]:
    """Returns what `midstream doctor` finds wrong in a status."""
    found = list(queue_check.findings(status, "midstream worker"))
    for facts in status.redis:
        found += redis_setup.examine(f"Redis of {' and '.join(facts.serves)}", facts)
    return [
        Trouble(one.level == "fail", f"{one.subject}: {one.state}: {one.advice}") for one in found if one.level != "ok"
    ]


class RateMeter:
    """How many generations start and end in a second, by two looks at the counters."""

    def __init__(self) -> None:
        self._before: Status | None = None

    def rates(self, status: Status) -> Rates | None:
        """Returns the rates since the last look; None at the first, and where the counters went back."""
        before, self._before = self._before, status
        if before is None:
            return None
        passed = (datetime.fromisoformat(status.time) - datetime.fromisoformat(before.time)).total_seconds()
        started = status.counts.started - before.counts.started
        ended = status.counts.ended - before.counts.ended
        if passed <= 0 or started < 0 or ended < 0:
            return None
        return Rates(started / passed, ended / passed)


def _write_once(status: StatusSource) -> None:
    meter = RateMeter()
    meter.rates(status.read())
    time.sleep(REDRAW_S)
    last = status.read()
    for line in lines(last, meter.rates(last), troubles(last)):
        print(line.plain)


def _write_json(status: StatusSource, *, once: bool) -> None:
    meter = RateMeter()
    told = False
    while True:
        try:
            found = status.read()
        except ClientError as error:
            if once or not (told and error.retryable):
                raise
            document = {"error": str(error)}
        else:
            rates = meter.rates(found)
            document = found.model_dump() | {"rates": rates and rates._asdict()}
        text = msgspec.json.encode(document)
        print((json_escaped(text) if sys.stdout.isatty() else text).decode(), flush=True)
        if once:
            return
        told = True
        time.sleep(REDRAW_S)


def _redraw(status: StatusSource) -> None:
    meter, last, rates = RateMeter(), status.read(), None
    with Screen() as screen:
        meter.rates(last)
        screen.show(lines(last, rates, troubles(last)))
        while True:
            time.sleep(REDRAW_S)
            lost: list[Trouble] = []
            try:
                last = status.read()
            except ClientError as error:
                if not error.retryable:
                    raise
                lost = [Trouble(True, f"this is of {last.time}: {error}")]
            else:
                rates = meter.rates(last)
            screen.show(lines(last, rates, [*lost, *troubles(last)]))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets a signal that ends a program leave the terminal as it was."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
