"""One view of a generation in a terminal or a pipe, which can be left at any time."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from midstream.address import url_option
from midstream.client.http_client import HttpClient
from midstream.errors import ClientError
from midstream.output.answer import AnswerWriter, JsonLines
from midstream.program import typed
from midstream.standard_streams import CannotWriteError
from midstream_client import Follower
from shared.log.events import EventId


def view(client: HttpClient, follower: Follower, *, reasoning: bool, final: bool, json: bool) -> int:
    """Writes a generation to stdout until its end, or until the user interrupts it.

    Returns the exit code. Raises ClientError, and CannotWriteError with the command that goes on.
    """
    output: AnswerWriter | JsonLines
    if json:
        output, flags = JsonLines(sys.stdout.buffer, sys.stderr), ["--json"]
    else:
        after = follower.cursor
        before = None if after is None else lambda: _before(client, str(follower.id), after)
        output = AnswerWriter(
            sys.stdout,
            sys.stderr,
            reasoning=reasoning,
            final=final,
            before=before,
            saving=lambda: typed("show", str(follower.id), "--files", ".", *url_option(client.url)),
        )
        flags = ["--reasoning"] * reasoning + ["--final"] * final
    follower.on_outage(lambda reason: output.note(f"{reason}; trying again"))
    return View(client, follower, output, flags).run(announce=not json and follower.id is None)


def _before(client: HttpClient, generation_id: str, after: str) -> AnswerWriter:
    """Returns the answer up to this event, written nowhere. Reads the log from its start; raises ClientError."""
    with open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere:
        before = AnswerWriter(nowhere, nowhere)
        for event in client.events(client.follow(generation_id)):
            before.write(event)
            if event.id is not None and EventId.parse(event.id) >= EventId.parse(after):
                break
        return before


class View:
    """One run of a follower into one output; it can be interrupted between two events, not within one."""

    def __init__(
        self, client: HttpClient, follower: Follower, output: AnswerWriter | JsonLines, flags: list[str]
    ) -> None:
        self.client = client
        self.follower = follower
        self.output = output
        self.flags = flags
        self.written = follower.cursor
        """Where rejoining must begin: all up to here has been written."""
        self._writing = False
        self._interrupted = False

    def run(self, *, announce: bool) -> int:
        """Returns the exit code. Raises ClientError and CannotWriteError."""
        try:
            with self._interrupts():
                for event in self.client.events(self.follower):
                    with self._uninterrupted():
                        if announce:
                            self.output.note(f"generation {self.follower.id}")
                            announce = False
                        self.output.write(event)
                        # With --final nothing is out before the end: what is held would be lost.
                        if "--final" not in self.flags:
                            self.written = self.follower.cursor
            return 0 if self._outcome() == "completed" else 1
        except KeyboardInterrupt:
            self._say_how_to_rejoin("detached")
            return 130
        except CannotWriteError as error:
            if rejoin := self._rejoin():
                error.hint = f"the rest comes with `{rejoin}`"
            raise
        except ClientError as error:
            if error.retryable and self.follower.reached:
                self._say_how_to_rejoin("given up")
            raise

    def _outcome(self) -> str | None:
        if self.output.outcome is None and self.follower.id is not None:
            # The cursor was at the end already: there was no event that tells how it ended.
            self.output.note(f"there is nothing behind this event: {self.follower.state}")
            return self.follower.state
        return self.output.outcome

    def _rejoin(self) -> str | None:
        """Returns the command that goes on behind what was written; None before there is a generation."""
        if self.follower.id is None:
            return None
        after = [] if self.written is None else ["--after", self.written]
        return typed("tail", self.follower.id, *after, *url_option(self.client.url), *self.flags)

    def _say_how_to_rejoin(self, why: str) -> None:
        rejoin = self._rejoin()
        if rejoin is None:
            listing = typed("list", *url_option(self.client.url))
            self.output.note(f"{why} before the API answered; `{listing}` shows whether it was accepted")
            return
        self.output.note(f"{why}; the generation goes on. Rejoin it with:")
        sys.stderr.write(f"  {rejoin}\n")
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
