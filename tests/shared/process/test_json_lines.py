"""Log lines as JSON: one object each, with what is known, and without what an error's text may quote."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from shared.process import json_lines, log_context
from shared.process.json_lines import JsonLines, line, relayed, want, wanted

ID, OTHER_ID = "gen_" + "a" * 32, "gen_" + "b" * 32


@pytest.fixture(autouse=True)
def text_after() -> Iterator[None]:
    yield
    want(False)


def read(message: str, *arguments: object, exc_info: Any = None, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("midstream.worker", logging.WARNING, "f", 1, message, arguments, exc_info)
    for name, value in extra.items():
        setattr(record, name, value)
    text = JsonLines().format(record)
    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert text.isprintable()
    fields: dict[str, Any] = json.loads(text)
    return fields


def test_a_line_has_its_time_in_utc_its_level_and_its_logger() -> None:
    fields = read("of %s", "a\nERROR \x1b \u2028 ü")
    assert list(fields) == ["time", "level", "logger", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["time"])
    assert (fields["level"], fields["logger"]) == ("WARNING", "midstream.worker")
    assert fields["message"] == "of a\nERROR \x1b \u2028 ü"


def test_a_line_has_what_it_and_its_task_say() -> None:
    log_context.tell(generation=ID, attempt=1)
    try:
        fields = read("failed", fields={"attempt": 2, "owner": "o"})
    finally:
        log_context._fields.set({})
    assert (fields["generation"], fields["attempt"], fields["owner"]) == (ID, 2, "o")


def test_the_one_generation_of_a_message_is_a_field() -> None:
    assert read("%s: its log cannot be written", ID)["generation"] == ID
    assert "generation" not in read("%s and %s", ID, OTHER_ID)


def test_an_exception_says_what_and_where_and_not_its_text() -> None:
    try:
        try:
            raise KeyError("secret\nprompt")
        except KeyError as error:
            raise ValueError("secret answer") from error
    except ValueError:
        fields = read("broke", exc_info=sys.exc_info())
    assert "secret" not in json.dumps(fields)
    first, *frames = fields["exception"].split("\n")
    assert first == "ValueError"
    assert "KeyError" in frames
    assert any("test_an_exception_says" in frame for frame in frames)


def test_errors_that_are_each_others_cause_come_to_an_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert read("broke", exc_info=(type(one), one, None))["exception"] == "ValueError\nKeyError"


def test_the_line_of_another_process_keeps_its_fields_and_gets_its_name() -> None:
    said = json.loads(relayed(line("hello", "midstream", code="x"), "api-1"))
    assert (said["message"], said["logger"], said["code"], said["process"]) == ("hello", "midstream", "x", "api-1")
    for other in ("plain", "{no json", "[1]", '{"a": 1', ""):
        said = json.loads(relayed(other, "valkey"))
        assert (said["message"], said["process"]) == (other, "valkey")


def test_a_process_says_once_how_it_writes() -> None:
    assert not wanted()
    want()
    assert wanted()
    assert json_lines.wanted()
