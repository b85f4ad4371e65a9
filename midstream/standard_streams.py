"""Standard input, output and error as whoever started us left them: closed, full, read by nobody, in any encoding.

Python makes a traceback of a write that fails, or an error of its own while it exits, and of a closed stream no file
at all. Here every failing write of standard output is one exception, and one of standard error is none.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from shared.errors import MidstreamError


class CannotWriteError(MidstreamError):
    """Standard output takes no more. No OSError: whoever handles those (typer does) means something else.

    `hint`, a part of a sentence, says where to go on.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.nobody_reads = error.errno == errno.EPIPE
        """Whether the pipe's reader has ended, as `head` does; that is no failure."""
        self.hint = ""


class StandardStream(io.FileIO):
    """Standard output or error. One that is `forgiving` drops what cannot be written."""

    def __init__(self, descriptor: int, *, forgiving: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.forgiving = forgiving
        self.lost = False
        """Whether something was dropped that somebody may have wanted to read."""

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Writes all or a part of `data`; waits where a process that shares the descriptor made it non-blocking."""
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
            return written
        except OSError as error:
            if not self.forgiving:
                raise CannotWriteError(error) from None
            self.lost |= error.errno != errno.EPIPE
            return len(data)


@contextmanager
def own_streams() -> Iterator[None]:
    """Makes a failing write raise CannotWriteError on `sys.stdout`, and nothing on `sys.stderr`, while inside.

    Its end writes that error in one line, and ends the program: with 0 where the reader of a pipe has gone, with 1
    where a write failed. Text is UTF-8, but for a terminal of another encoding, or where PYTHONIOENCODING asks for one:
    what that lacks becomes a question mark.
    """
    theirs = sys.stdin, sys.stdout, sys.stderr
    _occupy()
    out, err = StandardStream(1, forgiving=False), StandardStream(2, forgiving=True)
    sys.stdin = theirs[0] or open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = _text(out, theirs[1]), _text(err, theirs[2])
    try:
        yield from _flushed(out, err)
    finally:
        sys.stdin, sys.stdout, sys.stderr = theirs


def forgive() -> None:
    """Lets a program that serves go on where nobody can read what it prints."""
    if isinstance(raw := getattr(getattr(sys.stdout, "buffer", None), "raw", None), StandardStream):
        raw.forgiving = True


def _flushed(out: StandardStream, err: StandardStream) -> Iterator[None]:
    try:
        try:
            yield
        finally:
            if not isinstance(sys.exc_info()[1], CannotWriteError):
                sys.stdout.flush()
    except KeyboardInterrupt:
        # Somebody does not wait for a pipe that nobody empties.
        _give_up()
        sys.exit(130)
    except CannotWriteError as error:
        _give_up()
        if error.nobody_reads:
            sys.exit(0)
        hint = f"; {error.hint}" if error.hint else ""
        print(f"midstream: cannot write to standard output ({error}){hint}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as end:
        if err.lost and not out.forgiving and end.code in (None, 0):
            sys.exit(1)
        raise


def _give_up() -> None:
    # What is still in the buffer must not fail again where Python flushes it ("Note on SIGPIPE", module signal).
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _occupy() -> None:
    """Opens a file in place of each closed descriptor, or our first connection would become standard output."""
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free is the one. Standard output is opened for reading: to write there fails, as it
            # does on a closed one; messages that nobody wants to have are dropped.
            os.open(os.devnull, mode)


def _text(raw: StandardStream, theirs: TextIO | None) -> TextIO:
    terminal = raw.isatty()
    asked = terminal or os.environ.get("PYTHONIOENCODING")
    encoding = theirs.encoding if asked and theirs is not None else "utf-8"
    # typeshed's BufferedWriter takes a RawIOBase, which FileIO is.
    return io.TextIOWrapper(
        io.BufferedWriter(cast(io.RawIOBase, raw)),
        encoding=encoding,
        errors="replace",
        newline="\n",
        line_buffering=terminal or raw.forgiving,
    )
