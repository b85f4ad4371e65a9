"""A conversation's stream in the native dialect: the log's bytes, with ids that say of which log they are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from api.dialects.native.event_schemas import event_schemas
from api.dialects.native.turns import RESET_MESSAGES, TurnDialect
from api.viewing.dialect import ConversationDialect, Subject
from shared.sse_decoder import ServerSentEvent, SseDecoder
from tests.api.viewing.framers import native
from tests.api.viewing.stand_ins import record
from tests.harness.json_schema import flaws

ID = "gen_" + "ab" * 16
dialect: ConversationDialect = TurnDialect()


def decoded(wire: bytes) -> list[ServerSentEvent]:
    return list(SseDecoder().feed(wire))


def test_an_event_is_as_it_stands_in_the_log_but_for_the_id() -> None:
    entry = b"1767225600000-7", (b"delta", b'{"part":0,"delta":"\xc3\xa4"}')
    (frame,) = dialect.framer(Subject(ID)).frames(entry)
    assert frame == native(entry).replace(b"id: ", b"id: " + b"ab" * 16 + b".")
    assert list(dialect.framer(Subject(ID)).opening()) == []


def test_a_beginning_moves_the_cursor_and_an_early_word_of_it_does_not() -> None:
    told = replace(record(), id=ID, previous="gen_x", created_ms=1767225600123)
    (begins,) = decoded(dialect.begun(3, told, in_turn=True))
    assert (begins.event, begins.id) == ("generation", "ab" * 16 + ".0-0")
    assert json.loads(begins.data) == {
        "generation": ID,
        "number": 3,
        "previous": "gen_x",
        "model": "p/m",
        "created": "2026-01-01T00:00:00.123Z",
    }
    (early,) = decoded(dialect.begun(3, told, in_turn=False))
    assert (early.event, early.id, early.data) == ("begun", "", begins.data)


def test_what_is_not_there_is_named() -> None:
    events = decoded(dialect.gone(ID) + dialect.trimmed(ID))
    assert [(event.event, event.id, json.loads(event.data)) for event in events] == [
        ("gone", "", {"generation": ID}),
        ("trimmed", "", {"generation": ID}),
    ]


@pytest.mark.parametrize("reason", RESET_MESSAGES)
def test_a_reset_is_of_the_whole_conversation(reason: str) -> None:
    (event,) = decoded(dialect.reset(reason))  # type: ignore[arg-type]
    assert json.loads(event.data)["reason"] == reason
    assert "conversation" in json.loads(event.data)["message"]


def test_what_is_written_is_described() -> None:
    schemas = event_schemas()
    frames = [dialect.begun(1, record(), in_turn=in_turn) for in_turn in (True, False)]
    for event in decoded(b"".join([*frames, dialect.gone(ID), dialect.trimmed(ID)])):
        data = json.loads(event.data)
        schema = schemas[f"Conversation{event.event.capitalize()}Event"]
        assert list(flaws(data, schema, schemas)) == []
        assert sorted(data) == sorted(schema["required"])


def test_it_is_told_from_the_native_one() -> None:
    assert dialect.name == "conversation"
    assert (dialect.drain, dialect.ending) == (b"event: drain\ndata: {}\n\n", b"")
