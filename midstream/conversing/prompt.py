"""Where a message is typed: edited, with a history and several lines, where Python has `readline`."""

import importlib
import io
import os
import select
import signal
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

PROMPT = "> "
CONTINUED = ". "
PASTE_S = 0.02
"""Seconds within which the next line of a paste comes, from a terminal that does not mark one."""
NEWS_S = 0.2
"""Seconds between two looks whether there are news."""
MAX_LINE = 4096
"""Bytes of a line that a terminal keeps until Enter (Linux, termios(3): canonical mode)."""


class News(BaseException):
    """There is something to tell: what was typed so far is there again at the next prompt.

    It comes amid anything, as KeyboardInterrupt does, and is no error.
    """


class Prompt:
    """The terminal's prompt. `news` says whether there is something to tell, for which typing is interrupted."""

    def __init__(self, news: Callable[[], bool]) -> None:
        self._news = news
        self._ahead: deque[str] = deque()
        self._ended = False
        """Whether Ctrl-D was typed behind what was read last."""
        self._typed = ""
        self._editor = _readline()
        if isinstance(sys.stdin, io.TextIOWrapper):
            # Bytes that are no text in the terminal's encoding must not end the conversation.
            sys.stdin.reconfigure(errors="surrogateescape")
        if self._editor is not None:
            self._editor.set_auto_history(False)
            if "libedit" not in (self._editor.__doc__ or ""):
                # Python switches it off. A pasted text is one line then, with its line ends (readline(3)).
                self._editor.parse_and_bind("set enable-bracketed-paste on")

    @property
    def edits(self) -> bool:
        """Says whether a text can stand at the prompt, and the key Up bring back what was typed before."""
        return self._editor is not None

    def remember(self, texts: Iterable[str]) -> None:
        """Puts texts into the history: Up brings the last of them."""
        for text in texts:
            if self._editor is not None and text.strip():
                self._editor.add_history(text)

    def suggest(self, text: str) -> None:
        """Has a text stand at the next prompt, as if it had been typed."""
        self._typed = text if self.edits else ""

    def read(self) -> str:
        """Returns what was typed up to Enter, and the other lines of a paste. Raises EOFError at Ctrl-D, and News."""
        if self._ended:
            raise EOFError
        text = self._ahead.popleft() if self._ahead else self._line(PROMPT)
        while not text.startswith("/") and not self._ahead and _waits():
            try:
                line = self._line(CONTINUED)
            except News:
                break
            except EOFError:
                self._ended = True
                break
            if line.startswith("/"):
                self._ahead.append(line)
            else:
                text += f"\n{line}"
        self.remember([text])
        return text

    def _line(self, prompt: str) -> str:
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, NEWS_S)
        try:
            if self._editor is not None:
                typed, self._typed = self._typed, ""
                self._editor.set_startup_hook(lambda: self._editor.insert_text(typed))
            return as_unicode(input(prompt))
        except News:
            # Nothing is lost of a half-written line, but it stays where it is.
            sys.stdout.write("\n" if self._typed else "\r\x1b[K")
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if self._editor is not None:
                self._editor.set_startup_hook(None)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        # Only while a line is being edited is the terminal not canonical: a line that was entered is never lost.
        if self._editor is not None and self._news() and not termios.tcgetattr(0)[3] & termios.ICANON:
            self._typed = self._editor.get_line_buffer()
            raise News
        # Set anew each time: the next one must not come while what this one raises is on its way (SystemError).
        signal.setitimer(signal.ITIMER_REAL, NEWS_S)


def typed_meanwhile() -> list[str]:
    """Returns the lines that were typed where no prompt was. Raises EOFError at Ctrl-D."""
    lines: list[str] = []
    while _waits(0.0):
        read = os.read(0, MAX_LINE)
        if not read:
            raise EOFError
        lines += as_unicode(read.decode("utf-8", "surrogateescape")).splitlines()
    return lines


def as_unicode(text: str) -> str:
    """Returns a text without the lone surrogates that bytes become which are no UTF-8: JSON cannot carry them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _waits(seconds: float = PASTE_S) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


def _readline() -> Any:
    """Returns the module, or None: Python can be built without it."""
    try:
        return importlib.import_module("readline")
    except ImportError:
        return None
