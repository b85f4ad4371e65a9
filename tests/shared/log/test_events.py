"""Events as JSON: one line for whoever reads it, and the same text again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.log.events import MAX_TOKENS, Completed, Delta, Failed, Raw, Usage, decode, encode


@given(st.text(st.sampled_from('a\x85\u2028\u2029\\"Ââ€\u0084\u2027\u202a𝄞\n\r\x0b\x0c\x1c\x1e')))
def test_an_event_is_one_line_however_lines_are_told(text: str) -> None:
    for event in (Delta(part=0, kind="text", delta=text), Raw(protocol="p", data={text: [text]})):
        data = encode(event)
        assert len(data.decode().splitlines()) == 1
        assert decode(event.type, data) == event
        assert text in (json.loads(data).get("delta"), *json.loads(data).get("data", {}))


def test_what_is_no_line_end_stays_as_it_is() -> None:
    text = "Â€â\u2027"
    assert f'"{text}"'.encode() in encode(Delta(part=0, kind="text", delta=text))


def test_what_nobody_says_is_not_in_the_bytes() -> None:
    plain = Completed(finish_reason="stop", usage=Usage(9, 4))
    assert encode(plain) == (
        b'{"finish_reason":"stop","raw_finish_reason":null,"response_id":null,"t":0,"usage":{"input_tokens":9,'
        b'"output_tokens":4,"cached_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0},"cost":null}'
    )
    assert encode(Delta(part=0, kind="text", delta="a")) == b'{"part":0,"kind":"text","delta":"a","t":0}'
    assert encode(Failed(code="c", message="m", retryable=True)) == (
        b'{"code":"c","message":"m","retryable":true,"t":0,"usage":null,"cost":null}'
    )


def test_counts_that_one_call_can_have() -> None:
    assert Usage(9, 4, audio_input_tokens=3, server_tool_calls={"x": 2}).is_possible
    assert not Usage(9, 4, audio_input_tokens=-3).is_possible
    assert not Usage(9, 4, server_tool_calls={"x": -2}).is_possible
    assert not Usage(9, 4, cache_write_1h_tokens=MAX_TOKENS + 1).is_possible
