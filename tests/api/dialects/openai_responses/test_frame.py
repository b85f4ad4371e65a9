"""One event on the wire."""

from __future__ import annotations

from api.dialects.openai_responses.frame import delta_ends, frame, to_json


def test_an_event() -> None:
    data = b'{"type":"response.created","response":{"id":"resp_1"},"sequence_number":0}'
    assert frame("response.created", 0, {"response": {"id": "resp_1"}}) == (
        b"event: response.created\ndata: %b\n\n" % data
    )


def test_what_some_take_for_an_end_of_line_is_escaped() -> None:
    assert to_json("a\u2028b\u2029c\u0085é") == '"a\\u2028b\\u2029c\\u0085é"'.encode()


def test_what_stands_around_a_delta() -> None:
    before, after = delta_ends("response.refusal.delta", {"item_id": "msg_1"})
    whole = b'%b"No"%b7}\n\n' % (before, after)
    assert whole == (
        b"event: response.refusal.delta\n"
        b'data: {"type":"response.refusal.delta","item_id":"msg_1","delta":"No","sequence_number":7}\n\n'
    )
