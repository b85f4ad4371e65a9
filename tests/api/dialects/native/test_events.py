"""The native dialect: what is in the log is on the wire, and nothing beside it moves a cursor."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from api.dialects.native.events import RESET_MESSAGES, NativeDialect
from api.viewing.dialect import Dialect, ResetReason
from shared.sse_decoder import ServerSentEvent, SseDecoder
from tests.api.viewing.framers import native

dialect: Dialect = NativeDialect()


def decoded(wire: bytes) -> list[ServerSentEvent]:
    return list(SseDecoder().feed(wire))


def test_an_event_is_one_frame_with_its_id_last() -> None:
    entry = b"1767225600000-7", (b"delta", b'{"part":0,"delta":"\xc3\xa4"}')
    wire = native(entry)
    assert wire == b'event: delta\ndata: {"part":0,"delta":"\xc3\xa4"}\nid: 1767225600000-7\n\n'
    (event,) = decoded(wire)
    assert (event.id, event.event, event.data) == ("1767225600000-7", "delta", entry[1][1])


def test_a_heartbeat_is_no_event() -> None:
    frame = native((b"1-0", (b"attempt", b"{}")))
    assert len(decoded(dialect.heartbeat + frame + dialect.heartbeat)) == 1
    assert b"\n\n" not in dialect.heartbeat + b"event:"


def test_the_opening_is_part_of_what_follows() -> None:
    (event,) = decoded(dialect.opening() + dialect.drain)
    assert (event.id, event.event, event.data) == ("", "drain", b"{}")
    waits = {int(dialect.opening().removeprefix(b"retry: ")) for _ in range(200)}
    assert len(waits) > 50
    assert min(waits) >= 1000
    assert max(waits) <= 3000


@pytest.mark.parametrize("position", [1, 12, None])
def test_a_place_in_line_has_no_id(position: int | None) -> None:
    (event,) = decoded(dialect.queued("gen_x", position))
    assert (event.id, event.event) == ("", "queued")
    assert json.loads(event.data) == {"id": "gen_x", "position": position}


@pytest.mark.parametrize("reason", get_args(ResetReason))
def test_each_reset_says_why(reason: ResetReason) -> None:
    (event,) = decoded(dialect.reset(reason))
    assert (event.id, event.event) == ("", "reset")
    assert json.loads(event.data) == {"reason": reason, "message": RESET_MESSAGES[reason]}


def test_no_reason_is_given_that_there_is_not() -> None:
    assert set(RESET_MESSAGES) == set(get_args(ResetReason))
