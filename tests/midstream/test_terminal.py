"""What may be written to a terminal: all that can be seen, and nothing that it would obey."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.terminal import coloured, dimmed, exact_line, one_line, printable

OBEYED = "".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0x7F, *range(0x80, 0xA0)])) + "\u2028\u202e\u2066\u2069"


@given(st.text(st.sampled_from(OBEYED + "\t\n\r aé😀")))
def test_nothing_that_is_obeyed_is_left(text: str) -> None:
    for shown in (printable(text), one_line(text), exact_line(text)):
        assert not set(shown) & set(OBEYED + "\r")
    assert not set(one_line(text) + exact_line(text)) & set("\n\t")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 😀", "plain é 日本 😀"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("\x1b[2J", "␛[2J"),
        ("\x00\x07\x7f", "␀␇␡"),
        ("\x9b2J", "\ufffd2J"),
        ("safe \u202egnp.exe", "safe \ufffdgnp.exe"),
    ],
)
def test_what_would_be_obeyed_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_sentence_is_one_line_with_one_space_between_words() -> None:
    assert one_line("  a \n\t b\r\n\x1bc ") == "a b ␛c"


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_on_one_line_says_the_same(value: object) -> None:
    text = json.dumps(value, indent=2)
    assert "\n" not in exact_line(text)
    assert json.loads(exact_line(text)) == value


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        ({"TERM": "xterm"}, False),
        ({}, False),
        ({"TERM": "dumb"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, False),
    ],
)
def test_colour_is_for_a_terminal_that_may_have_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], plain: bool
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured("x", 31, Terminal()) == ("x" if plain else "\x1b[31mx\x1b[0m")
    assert dimmed("x", Terminal()) == ("x" if plain else "\x1b[2mx\x1b[0m")
    assert coloured("x", 0, Terminal()) == "x"
    assert coloured("x", 31, io.StringIO()) == dimmed("x", io.StringIO()) == "x"
