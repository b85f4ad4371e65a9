"""Events as JSON: one line for whoever reads it, and the same text again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.log.events import Delta, Raw, decode, encode


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
