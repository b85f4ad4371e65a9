"""A generation's record: read from Redis' fields as they were written, also by an older version, or told unreadable."""

from __future__ import annotations

import hashlib
import json
from typing import Any, get_args

import msgspec
import pytest

from shared.errors import UnreadableRecordError
from shared.log.events import EventId
from shared.record import (
    RECORD_FIELDS,
    Acceptance,
    Asked,
    Chain,
    DialectName,
    Record,
    Shown,
    read_record,
    shown_of,
)
from shared.tracing.trace_context import TraceContext

TRACE = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=x")
FIELDS = {
    "owner": "ann", "model": "p/m", "shown": '{"json":true}', "fingerprint": "f", "on_interrupt": "fail",
    "ttl": "60000", "created": "1767225600000", "state": "completed", "attempts": "2", "seal": "1767225600001-7",
    "ended": "1767225600009", "cancel": "1", "failures": "1", "max_attempts": "3", "beside": "1", "pardons": "2",
    "choice": "1", "chain": "90 12 2 gen_b gen_a", "said": "40", "large": "120000000", "largest": "30000000",
    "unwatched": "30000",
    "traceparent": TRACE.traceparent, "tracestate": TRACE.tracestate,
    "conversation": "chat", "previous": "gen_b", "number": "3",
}  # fmt: skip


def read(**changes: str | None) -> Record | None:
    fields = FIELDS | changes
    values = [fields.get(name) for name in RECORD_FIELDS]
    return read_record("gen_x", [None if value is None else value.encode() for value in values])


def test_every_field_has_its_place() -> None:
    record = read()
    assert FIELDS.keys() == set(RECORD_FIELDS)
    assert record == Record(
        id="gen_x", owner="ann", model="p/m", on_interrupt="fail", ttl_ms=60_000, shown=b'{"json":true}',
        fingerprint="f", created_ms=1_767_225_600_000,
        conversation="chat", previous="gen_b", number=3, state="completed", attempts=2,
        seal=EventId(1_767_225_600_001, 7), ended_ms=1_767_225_600_009, cancel_requested=True, failures=1,
        max_attempts=3, beside=True, pardons=2, choice=1, chain=Chain(90, 12, 2, ("gen_b", "gen_a")), said=40, page=2,
        unwatched_ms=30_000,
        trace=TRACE,
    )  # fmt: skip


def test_what_is_not_there_yet_is_not_so() -> None:
    record = read(state="queued", seal=None, ended=None, cancel=None, beside=None)
    assert record is not None
    assert (record.seal, record.ended_ms) == (None, None)
    assert (record.cancel_requested, record.beside) == (False, False)


def test_fields_that_an_older_version_did_not_write_have_values() -> None:
    record = read(
        shown=None, pardons=None, choice=None, chain=None, said=None, large=None, largest=None, unwatched=None,
        conversation=None, previous=None, number=None,
    )  # fmt: skip
    assert record is not None
    assert (record.shown, record.pardons, record.choice, record.page) == (None, 0, 0, 500)
    assert record.unwatched_ms is None
    assert (record.conversation, record.previous, record.number, record.gone_on_from) == (None, None, 0, None)


def test_what_an_older_version_went_on_from_is_in_its_chain() -> None:
    record = read(previous=None)
    assert record is not None
    assert record.gone_on_from == "gen_b"


def test_without_a_state_there_is_none() -> None:
    assert read(state=None) is None
    assert read_record("gen_x", [None] * len(RECORD_FIELDS)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": None}, {"model": None}, {"fingerprint": None}, {"ttl": None}, {"created": None},
        {"ttl": "soon"}, {"created": "yesterday"}, {"attempts": ""}, {"seal": "x"}, {"seal": "1-01"}, {"ended": "-"},
        {"chain": "7"}, {"chain": "a b c"}, {"said": "much"}, {"failures": "1.5"}, {"pardons": "x"}, {"choice": "x"},
        {"unwatched": "soon"}, {"number": "x"},
    ],
)  # fmt: skip
def test_what_something_else_wrote_is_unreadable_and_names_itself(changes: dict[str, str | None]) -> None:
    with pytest.raises(UnreadableRecordError, match="gen_x"):
        read(**changes)


def test_bytes_that_are_no_text_are_unreadable() -> None:
    values = [FIELDS[name].encode() for name in RECORD_FIELDS]
    values[0] = b"\xff"
    with pytest.raises(UnreadableRecordError):
        read_record("gen_x", values)


def acceptance(request: bytes, **fields: Any) -> Acceptance:
    return Acceptance(
        id="gen_x", owner="ann", model="p/m", on_interrupt="fail", ttl_ms=60_000, request=request, **fields
    )  # fmt: skip


def test_what_is_taken_on_has_its_digest_and_what_is_shown_of_it() -> None:
    request = b'{"metadata":{"a":"b"},"response_format":{"type":"json_object"},"idle_timeout":7}'
    accepted = acceptance(request)
    assert accepted.fingerprint == hashlib.sha256(request).hexdigest()
    shown = msgspec.json.decode(accepted.shown, type=Shown)
    assert shown == Shown(metadata={"a": "b"}, json=True, idle_timeout=7.0)


def test_one_that_begins_a_conversation_keeps_its_title() -> None:
    request = b'{"conversation":"chat","messages":[{"role":"user","content":"Why?"}]}'
    assert msgspec.json.decode(acceptance(request).shown, type=Shown).title == "Why?"
    alone = acceptance(request.replace(b'"conversation":"chat",', b""))
    assert msgspec.json.decode(alone.shown, type=Shown) == Shown()


def test_what_is_given_is_not_made_again() -> None:
    accepted = acceptance(b"{}", fingerprint="f", shown=b'{"json":true}')
    assert (accepted.fingerprint, accepted.shown) == ("f", b'{"json":true}')


def test_a_chain_is_kept_as_it_is() -> None:
    for chain in (Chain(7, 1), Chain(90, 12, 3, ("gen_c", "gen_b", "gen_a"))):
        assert Chain.parse(chain.text.encode()) == chain
        record = read(chain=chain.text)
        assert record is not None
        assert record.chain == chain
        assert record.accepted(b"{}", b"").chain == chain


def test_a_trace_is_kept_as_it_is() -> None:
    record = read(tracestate=None)
    assert record is not None
    assert record.trace == TraceContext(TRACE.traceparent)
    assert record.accepted(b"{}", b"").trace == record.trace
    for damaged in (None, "", "00-0af7"):
        record = read(traceparent=damaged)
        assert record is not None
        assert record.trace is None


def test_only_responses_says_that_others_must_not_go_on_and_whom_it_instructs_alone() -> None:
    echo: dict[str, Any] = {"store": False, "instructions": "Be brief."}
    said = {dialect: Asked(dialect, "m", echo) for dialect in get_args(DialectName)}
    assert [name for name, asked in said.items() if not asked.stored] == ["openai-responses"]
    assert [name for name, asked in said.items() if asked.instructs] == ["openai-responses"]
    for echo in ({}, {"store": True, "instructions": None}, {"store": None, "instructions": ""}):
        asked = Asked("openai-responses", "m", echo)
        assert (asked.stored, asked.instructs) == (True, False)


def test_a_record_is_what_was_accepted() -> None:
    request = b'{"metadata":{"a":"b"}}'
    record = read(shown=None, chain=None, traceparent=None, fingerprint=hashlib.sha256(request).hexdigest())
    assert record is not None
    expected = acceptance(
        request, created_ms=1_767_225_600_000, unwatched_ms=30_000, conversation="chat", previous="gen_b", number=3
    )
    assert record.accepted(request, b"") == expected


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ({}, Shown()),
        ({"response_format": {"type": "text"}}, Shown()),
        ({"response_format": {}}, Shown()),
        ({"response_format": None}, Shown()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, Shown(json=True)),
        ({"metadata": {"k": "v"}, "messages": [{"content": "metadata"}]}, Shown(metadata={"k": "v"})),
        ({"metadata": [1]}, Shown()),
    ],
)
def test_what_is_shown_of_a_request(request_: dict[str, Any], shown: Shown) -> None:
    assert shown_of(json.dumps(request_).encode()) == shown


@pytest.mark.parametrize("request_", [b"", b"{", b"[]", b"\xff"])
def test_nothing_is_shown_of_what_cannot_be_read(request_: bytes) -> None:
    assert shown_of(request_) == Shown()
