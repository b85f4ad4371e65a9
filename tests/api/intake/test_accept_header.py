"""A stream, or the page, is what a client gets that asks for one by name."""

from __future__ import annotations

import pytest

from api.intake.accept_header import takes_gzip, wants_page, wants_stream


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


@pytest.mark.parametrize(
    ("lines", "page"),
    [
        ([], False),
        (["*/*"], False),
        (["application/json"], False),
        (["text/event-stream"], False),
        (["text/html"], True),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], True),
        (["text/html, */*"], True),
        (["text/html, application/json"], False),
        (["text/html, application/json;q=0.9"], True),
        (["text/html;q=0.5", "application/json"], False),
        (["text/html;q=0, */*"], False),
    ],
)
def test_who_gets_the_page(lines: list[str], page: bool) -> None:
    assert wants_page(lines) == page


@pytest.mark.parametrize(
    ("lines", "packed"),
    [
        ([], False),
        ([""], False),
        (["identity"], False),
        (["gzip"], True),
        (["gzip, deflate, br, zstd"], True),
        (["br", "GZip;q=0.001"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip;q=0"], False),
        (["gzip;q=0, *;q=1"], False),
    ],
)
def test_who_takes_an_answer_that_is_packed(lines: list[str], packed: bool) -> None:
    assert takes_gzip(lines) == packed
