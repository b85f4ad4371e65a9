"""A stream is what a client gets that asks for one by name."""

from __future__ import annotations

import pytest

from api.intake.accept_header import wants_stream


@pytest.mark.parametrize(
    ("lines", "stream"),
    [
        ([], False),
        (["*/*"], False),
        (["text/*"], False),
        (["application/json"], False),
        (["text/event-stream"], True),
        (["Text/Event-Stream;charset=utf-8"], True),
        (["application/json, text/event-stream"], True),
        (["application/json", "text/event-stream"], True),
        (["text/event-stream;q=0"], False),
        (["text/event-stream ; Q=0.000, */*"], False),
        (["text/event-stream;charset=utf-8;q=0"], False),
        (["text/event-stream;q=0.001"], True),
        (["text/event-stream;q=0.5, application/json"], False),
        (["text/event-stream, application/json;q=0.9"], True),
        (["text/event-stream;q=0", "text/event-stream;q=0.3"], True),
        (["text/event-stream;q=nonsense"], True),
    ],
)
def test_who_gets_a_stream(lines: list[str], stream: bool) -> None:
    assert wants_stream(lines) == stream
