"""The core, without any I/O: whatever is cut where, and however bytes arrive, each event comes once."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream_client import ClientError, Event, GoneError, NotMidstreamError, RetryBudget, UnreachableError
from midstream_client import following as module
from midstream_client.following import GenerationFollowing
from midstream_client.sse_decoder import SseDecoder
from tests.clients.python.script import Time

URL = "http://midstream.test"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
LOG = [
    Event("7-0", "attempt", {"number": 1, "reason": "new", "continues": False}),
    Event("7-1", "part", {"part": 0, "kind": "text"}),
    *(
        Event(f"7-{n}", "delta", {"part": 0, "kind": "text", "delta": text})
        for n, text in enumerate("wörld 🌍\u2028", 2)
    ),
    Event("7-10", "part_end", {"part": 0}),
    Event("7-11", "completed", {"finish_reason": "stop"}),
]


def block(event: Event) -> bytes:
    own = "" if event.id is None else f"id: {event.id}\n"
    return f"event: {event.type}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n{own}\n".encode()


def served(cursor: str | None, between: bytes = b"") -> bytes:
    """What a server sends after a cursor."""
    ids = [event.id for event in LOG]
    rest = LOG if cursor is None else LOG[ids.index(cursor) + 1 :]
    return b"retry: 1000\n" + between.join(map(block, rest))


def following(after: str | None = None, time: Time | None = None) -> GenerationFollowing:
    clock = time or Time()
    return GenerationFollowing(URL, RetryBudget(total=100, clock=lambda: clock.now), generation_id="gen_x", after=after)


@given(
    cuts=st.lists(st.integers(0, 2000), max_size=8),
    places=st.lists(st.integers(0, 2000), max_size=20),
    quiet=st.sampled_from([b"", b": \n", b'event: queued\ndata: {"position":1}\n\n']),
)
def test_each_event_once_wherever_it_is_cut(cuts: list[int], places: list[int], quiet: bytes) -> None:
    core = following()
    got: list[Event] = []
    for cut in [*cuts, 1_000_000]:
        if core.done:
            break
        request = core.request()
        assert request.path == "/v1/generations/gen_x/events"
        body = served(request.headers.get("last-event-id"), quiet)[:cut]
        edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
        core.opened(200, STREAM)
        for start, stop in pairwise(edges):
            got += core.received(body[start:stop])
        assert core.closed() == []
        assert core.done or core.pause() >= 1
    assert [event for event in got if event.id] == LOG
    assert (core.answer.text, core.answer.state) == ("wörld 🌍\u2028", "completed")


def test_what_is_given_out_has_taken_effect_and_no_more() -> None:
    core = following()
    core.opened(200, STREAM)
    events = core.received(served(None))
    for event in LOG:
        assert next(events) == event
        assert core.cursor == event.id
    assert core.done


def test_bytes_behind_the_end_or_a_drain_are_not_read() -> None:
    core = following()
    core.opened(200, STREAM)
    first = block(LOG[0]) + block(Event(None, "drain", {})) + block(LOG[1])
    assert [event.type for event in core.received(first)] == ["attempt", "drain"]
    assert core.leaving
    core.closed()
    core.opened(200, STREAM)
    assert not core.leaving
    assert list(core.received(served(core.cursor) + block(LOG[1]))) == LOG[1:]


def test_two_sends_of_a_post_have_one_key() -> None:
    core = GenerationFollowing(URL, RetryBudget(), body=b"{}")
    first, second = core.request(), core.request()
    assert first == second
    assert first.headers["idempotency-key"] == core.key
    other = GenerationFollowing(URL, RetryBudget(), body=b"{}")
    assert other.key != core.key


@pytest.mark.parametrize("location", ["/v1/generations/a b", "/v1/generations/..", "/v1/generations/%2e"])
def test_a_location_that_is_none_never_reaches_a_path(location: str) -> None:
    core = GenerationFollowing(URL, RetryBudget(), body=b"{}")
    with pytest.raises(ClientError):
        core.opened(200, STREAM | {"location": location})


def test_the_snapshot_tells_of_an_end_that_nobody_saw() -> None:
    core = following(after="7-11")
    core.opened(204, {})
    core.closed()
    assert core.pause() == 0
    assert core.request().path == "/v1/generations/gen_x"
    core.opened(503, {})
    core.closed()
    assert core.pause() > 0
    core.opened(200, {"content-type": "application/json"})
    list(core.received(b'{"state": "failed", "error": {"code": "connection"}, "parts": []}'))
    core.closed()
    assert (core.done, core.answer.state, core.answer.error) == (True, "failed", {"code": "connection"})


def test_a_snapshot_that_is_none() -> None:
    core = following(after="7-11")
    core.opened(204, {})
    core.closed()
    core.opened(200, {})
    list(core.received(b'{"parts": [5]}'))
    with pytest.raises(NotMidstreamError):
        core.closed()


@pytest.mark.parametrize(
    "frame",
    [
        b"event: delta\ndata: {}\n\n",
        b'event: delta\ndata: {"part": "0"}\n\n',
        b'event: delta\ndata: {"part": 0, "delta": 5}\n\n',
        b'event: part\ndata: {"part": 0, "kind": []}\n\n',
        b'event: annotation\ndata: {"part": 0, "fields": []}\n\n',
        b'event: queued\ndata: {"position": "3"}\n\n',
        b"data: 5\n\n",
    ],
)
def test_an_event_that_is_none_of_ours(frame: bytes) -> None:
    core = following()
    core.opened(200, STREAM)
    with pytest.raises(NotMidstreamError):
        list(core.received(frame))


def test_an_event_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SseDecoder", lambda: SseDecoder(max_event=100))
    core = following()
    core.opened(200, STREAM)
    with pytest.raises(ClientError, match="too long"):
        list(core.received(b"data: " + b"x" * 200))


def test_an_outage_is_told_once_and_ends_in_its_reason() -> None:
    time = Time()
    core = following(time=time)
    told: list[str] = []
    core.on_outage = told.append
    core.opened(200, STREAM)
    next(core.received(block(LOG[0])))
    core.closed()

    def wait() -> None:
        for _ in range(1000):
            time.now += core.pause()
            core.failed(UnreachableError("refused", retryable=True))

    with pytest.raises(UnreachableError, match="refused"):
        wait()
    assert told == ["refused"]
    assert 80 < time.now <= 100


def test_a_connection_that_only_has_heartbeats_costs_nothing() -> None:
    time = Time()
    core = following(time=time)
    core.opened(200, STREAM)
    for _ in range(100):
        time.now += 15
        assert list(core.received(b": \n")) == []
    core.closed()
    assert core.pause() >= 1


def test_a_final_answer_ends_it() -> None:
    core = following()
    core.opened(410, {})
    with pytest.raises(GoneError):
        core.closed()


@pytest.mark.parametrize("status", [201, 202, 203, 206])
def test_an_answer_that_is_no_stream_is_not_asked_for_again(status: int) -> None:
    core = following()
    core.request()
    with pytest.raises(NotMidstreamError):
        core.opened(status, {"content-type": "application/json"})


def test_nothing_in_place_of_a_snapshot() -> None:
    core = following("7-11")
    core.opened(204, {})
    core.closed()
    assert core.request().path == "/v1/generations/gen_x"
    with pytest.raises(NotMidstreamError):
        core.opened(204, {})
