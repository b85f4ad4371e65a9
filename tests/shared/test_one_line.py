"""Text of others, in a log and as JSON, holds nothing that a terminal obeys."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.one_line import escaped, json_escaped
from shared.process.telemetry import OneLine

OBEYED = "\x7f\x80\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"


@given(st.text())
def test_a_line_is_one_and_can_be_seen(text: str) -> None:
    assert escaped(text).isprintable()
    assert "\n" not in escaped(text)


@pytest.mark.parametrize("text", ["plain", "Zwölf 😀", "日本"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert escaped(text) == text


@given(st.text())
def test_json_says_the_same(text: str) -> None:
    value = {text + OBEYED: [text]}
    written = json_escaped(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    assert json.loads(written) == json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    assert not set(OBEYED) & set(written.decode())


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
