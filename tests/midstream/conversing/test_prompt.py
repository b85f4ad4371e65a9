"""The prompt, on a terminal."""

from __future__ import annotations

import pytest

from midstream.conversing.prompt import as_unicode
from tests.harness.terminal import CTRL_C, CTRL_D, UP, Terminal
from tests.midstream.conversing.conftest import Run

READS = """
import os, pathlib
from midstream.conversing.prompt import News, Prompt
news = pathlib.Path("news")
prompt = Prompt(news.exists)
prompt.remember(["earlier", " "])
prompt.suggest(os.environ.get("SUGGESTED", ""))
while True:
    try:
        print(ascii(prompt.read()))
    except News:
        news.unlink()
        print("NEWS")
    except KeyboardInterrupt:
        print("INTERRUPTED")
    except EOFError:
        print("END", prompt.edits)
        break
"""


def begun(run: Run, **environment: str) -> Terminal:
    terminal = run("-c", READS, **environment)
    terminal.until("> ")
    return terminal


def test_a_paste_is_one_message_and_can_be_edited(run: Run) -> None:
    terminal = begun(run)
    terminal.type("\x1b[200~one\r\t/two\n\nthree\x1b[201~")
    terminal.until("three")
    terminal.type("!\r")
    terminal.until(r"'one\\n\\t/two\\n\\nthree!'\n> ")
    terminal.type(UP + "!\r")
    terminal.until(r"'one\\n\\t/two\\n\\nthree!!'\n> ")


def test_a_paste_that_no_terminal_marks(run: Run) -> None:
    terminal = begun(run)
    terminal.type("one\ntwo\n/stop\n")
    terminal.until(r"'one\\ntwo'\n")
    terminal.until(r"'/stop'\n> ")
    terminal.type("/model x\nmore\n" + CTRL_D)
    terminal.until(r"'/model x'\n")
    # Ctrl-D counts, however soon it comes.
    terminal.until(r"'more'\nEND")


def test_history_and_what_is_suggested(run: Run) -> None:
    terminal = begun(run, SUGGESTED="once more")
    terminal.until("once more$")
    terminal.type("\r")
    terminal.until(r"'once more'\n> $")
    terminal.type(UP + UP + "\r")
    terminal.until(r"'earlier'\n> $")


def test_news_interrupt_and_keep_what_was_typed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    terminal = begun(run)
    terminal.type("half ö")
    terminal.until("half ö")
    (terminal.folder / "news").touch()
    terminal.until("NEWS\n> half ö$")
    terminal.type("!\r")
    terminal.until(r"'half \\xf6!'\n> $")
    (terminal.folder / "news").touch()
    # Of an empty prompt nothing is left.
    terminal.until("NEWS\n> $")
    terminal.type(CTRL_C)
    terminal.until("INTERRUPTED\n> $")
    terminal.type(CTRL_D)
    terminal.until("END True")
    assert terminal.ended() == 0


def test_without_readline(run: Run) -> None:
    terminal = begun(run, PYTHONSTARTUP="", SUGGESTED="nothing")
    folder = terminal.folder / "without"
    folder.mkdir()
    (folder / "readline.py").write_text("raise ImportError")
    terminal = begun(run, PYTHONPATH=f"{folder}:{terminal.environment['PYTHONPATH']}", SUGGESTED="nothing")
    (folder.parent / "news").touch()
    terminal.type("one\ntwo\n")
    terminal.until(r"'one\\ntwo'\n")
    terminal.type(CTRL_D)
    terminal.until("END False")


def test_bytes_that_are_no_text(run: Run) -> None:
    terminal = begun(run)
    terminal.type(b"a\xff\r")
    terminal.until(r"'a\\ufffd'")
    assert as_unicode("a\udcff ü") == "a\ufffd ü"
