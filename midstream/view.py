"""One view of a generation in a terminal or a pipe, which can be left at any time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from midstream.address import url_option
from midstream.answer import Answer, JsonLines
from midstream.errors import ClientError
from midstream.follower import Follower
from midstream.program import typed
from shared.events import EventId


def view(follower: Follower, *, reasoning: bool, final: bool, json: bool) -> int:
    """Write a generation to stdout until its end, or until somebody has had enough.

    Returns the exit code. Raises ClientError.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that does not know a character shows a question mark instead of ending the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    output: Answer | JsonLines
    if json:
        output, flags = JsonLines(sys.stdout.buffer, sys.stderr), ["--json"]
    else:
        after = follower.cursor
        left_open = None if after is None else lambda: _left_open(follower, after)
        output = Answer(sys.stdout, sys.stderr, reasoning=reasoning, final=final, left_open=left_open)
        flags = ["--reasoning"] * reasoning + ["--final"] * final
    follower.on_outage = lambda reason: output.note(f"{reason}; trying again")
    return View(follower, output, flags).run(announce=not json and follower.generation_id is None)


def _left_open(follower: Follower, after: str) -> bool:
    """Whether the text up to this event ends within a line. Reads the log from its beginning; raises ClientError."""
    with open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere:
        before = Answer(nowhere, nowhere)
        for event in Follower(follower.client, generation_id=follower.generation_id).events():
            before.write(event)
            if event.id is not None and EventId.parse(event.id) >= EventId.parse(after):
                break
        return before.within_line


class View:
    """One run of a follower into one output; it can be interrupted between two events, not within one."""

    def __init__(self, follower: Follower, output: Answer | JsonLines, flags: list[str]) -> None:
        self.follower = follower
        self.output = output
        self.flags = flags
        self.written = follower.cursor
        """Where rejoining must begin: all up to here has been written."""
        self._writing = False
        self._interrupted = False

    def run(self, *, announce: bool) -> int:
        """Returns the exit code. Raises ClientError."""
        try:
            with self._interrupts():
                for event in self.follower.events():
                    with self._uninterrupted():
                        if announce:
                            self.output.note(f"generation {self.follower.generation_id}")
                            announce = False
                        self.output.write(event)
                        # With --final nothing is out before the end: what is held would be lost.
                        if "--final" not in self.flags:
                            self.written = self.follower.cursor
            return 0 if self._outcome() == "completed" else 1
        except KeyboardInterrupt:
            self._say_how_to_rejoin("detached")
            return 130
        except BrokenPipeError:
            # Nobody reads any more. What Python flushes at its exit must not fail again (documentation of `signal`,
            # "Note on SIGPIPE").
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as error:
            self._say_how_to_rejoin(f"cannot write ({error.strerror})")
            return 1
        except ClientError as error:
            if error.passing and self.follower.reached:
                self._say_how_to_rejoin("given up")
            raise

    def _outcome(self) -> str | None:
        if self.output.outcome is None and self.follower.generation_id is not None:
            # The cursor was at the end already: there was no event that tells how it ended.
            return str(self.follower.client.snapshot(self.follower.generation_id).get("state"))
        return self.output.outcome

    def _say_how_to_rejoin(self, why: str) -> None:
        generation_id = self.follower.generation_id
        url = url_option(self.follower.client.url)
        if generation_id is None:
            self.output.note(f"{why} before the API answered; `{typed('list', *url)}` shows whether it was accepted")
            return
        after = [] if self.written is None else ["--after", self.written]
        self.output.note(f"{why}; the generation goes on. Rejoin it with:")
        sys.stderr.write(f"  {typed('tail', generation_id, *after, *url, *self.flags)}\n")
        sys.stderr.flush()

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        def interrupt(_number: int, _frame: FrameType | None) -> None:
            # A second Ctrl-C does not wait for a pipe that nobody empties.
            if self._writing and not self._interrupted:
                self._interrupted = True
            else:
                raise KeyboardInterrupt

        previous = signal.getsignal(signal.SIGINT)
        if previous is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        self._writing = True
        try:
            yield
        finally:
            self._writing = False
        # After the end there is nothing left to leave.
        if self._interrupted and self.output.outcome is None:
            raise KeyboardInterrupt
