"""Over real connections: a viewer that is cut everywhere sees what an uncut one sees."""

from __future__ import annotations

import time
from functools import partial

import httpx2
import pytest

from midstream_client import (
    Client,
    ClientError,
    Event,
    GoneError,
    NotFoundError,
    NotMidstreamError,
    RefusedError,
    RetryBudget,
    UnreachableError,
)
from shared.sse_decoder import MAX_EVENT_BYTES
from tests.harness.repository import ROOT
from tests.midstream.scripted_api import Answer, Frame, HowCut, ScriptedApi

quick = partial(RetryBudget, total=2.0, backoff=0.001)


def frames(events: list[Event]) -> list[Frame]:
    return [(event.id, event.type, event.data) for event in events]


def tail(api: ScriptedApi, after: str | None = None, silence: float = 10.0) -> list[Event]:
    with Client(api.url, silence=silence, retries=quick) as client:
        return list(client.follow(api.generation_id, after=after))


@pytest.mark.parametrize("how", ["end", "reset", "half", "drain"])
def test_cut_before_every_event_in_turn(scripted_api: ScriptedApi, how: HowCut) -> None:
    scripted_api.says("Hel", "lo ", "wörld 🌍\u2028", "\r\n\x00")
    for cut_after in range(len(scripted_api.log)):
        scripted_api.received.clear()
        scripted_api.cuts.append((cut_after, how))
        assert [frame for frame in frames(tail(scripted_api)) if frame[1] != "drain"] == scripted_api.log
        first, second = scripted_api.cursors()
        assert first is None
        sent = [None, *(frame[0] for frame in scripted_api.log[:cut_after])]
        # A reset may take with it what had arrived and was not read yet.
        assert second in sent if how == "reset" else second == sent[-1]


def test_every_connection_brings_one_event_only(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b", "c")
    scripted_api.cuts.extend([(1, "half")] * (len(scripted_api.log) - 1))
    assert frames(tail(scripted_api)) == scripted_api.log
    assert scripted_api.cursors() == [None, *(frame[0] for frame in scripted_api.log[:-1])]


def test_begins_behind_the_given_event(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b", "c")
    assert frames(tail(scripted_api, after=scripted_api.log[3][0])) == scripted_api.log[4:]


def test_an_event_may_be_longer_than_a_provider_sends_any(scripted_api: ScriptedApi) -> None:
    """What a provider sends in 64 MB may be longer as our JSON, and the server has it in its log."""
    scripted_api.says("x" * (MAX_EVENT_BYTES + 1_000_000), "y")
    assert frames(tail(scripted_api)) == scripted_api.log


def test_who_stops_reading_goes_on_there(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b", "c")
    with Client(scripted_api.url, retries=quick) as client, client.follow("gen_x") as follower:
        first: list[Event] = []
        for event in follower:
            first.append(event)
            if event.data.get("delta") == "a":
                break
        assert (follower.text, follower.ended, follower.cursor) == ("a", False, scripted_api.log[2][0])
        assert frames(first + list(follower)) == scripted_api.log
        assert (follower.text, follower.ended, follower.state) == ("abc", True, "completed")
        assert list(follower) == []
    assert scripted_api.cursors() == [None, scripted_api.log[2][0]]


def test_what_was_kept_goes_on(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b", "c")
    with Client(scripted_api.url, retries=quick) as client:
        before = client.follow("gen_x")
        with before:
            next(event for event in before if event.data.get("delta") == "b")
        after = client.follow("gen_x", after=before.cursor, answer=before.answer)
        assert after.read().text == "abc"
    assert [part["text"] for part in after.parts] == ["abc"]


def test_silent_connection_is_cut_and_resumed(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b")
    scripted_api.cuts.append((3, "silence"))
    assert frames(tail(scripted_api, silence=0.2)) == scripted_api.log
    assert scripted_api.cursors() == [None, scripted_api.log[2][0]]


def test_lost_answer_to_a_post_makes_one_generation(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b")
    scripted_api.lost_posts = 2
    scripted_api.cuts.append((2, "half"))
    with Client(scripted_api.url, retries=quick) as client:
        follower = client.create({"model": "m"})
        assert follower.id is None
        assert frames(list(follower)) == scripted_api.log
    assert follower.id == scripted_api.generation_id
    posts = [got for got in scripted_api.received if got.method == "POST"]
    assert [got.body for got in posts] == [b'{"model":"m"}'] * 3
    assert len(scripted_api.keys) == 1
    assert scripted_api.cursors() == [scripted_api.log[1][0]]


def test_two_followers_use_two_keys_and_a_caller_its_own(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a")
    with Client(scripted_api.url, "sk-local", retries=quick) as client:
        client.create(b"{}").read()
        client.create({}, key="mine").read()
    assert len(scripted_api.keys) == 2
    assert "mine" in scripted_api.keys
    assert {got.headers["authorization"] for got in scripted_api.received} == {"Bearer sk-local"}


def test_an_outage_is_told_once(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a", "b")
    scripted_api.cuts.extend([(1, "half"), (1, "half"), (0, "end"), (0, "end"), (0, "end")])
    outages: list[str] = []
    with Client(scripted_api.url, retries=quick) as client:
        follower = client.follow("gen_x")
        follower.on_outage(outages.append)
        follower.read()
    assert len(outages) == 1
    assert "closed the stream" in outages[0]


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (410, GoneError), (418, ClientError)])
def test_final_answers_are_not_tried_again(scripted_api: ScriptedApi, status: int, error: type[ClientError]) -> None:
    scripted_api.says("a")
    scripted_api.cuts.append((2, "half"))
    with Client(scripted_api.url, retries=quick) as client:
        events = iter(client.follow("gen_x"))
        next(events)
        scripted_api.answers.append(Answer(status, {"detail": "because"}))
        with pytest.raises(error, match="because") as raised:
            list(events)
    assert type(raised.value) is error
    assert len(scripted_api.received) == 2


def test_gives_up_when_nothing_comes_for_too_long(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a")
    scripted_api.cuts.append((1, "end"))
    scripted_api.cuts.extend([(0, "end")] * 100_000)
    began = time.monotonic()
    with (
        Client(scripted_api.url, retries=partial(RetryBudget, total=0.3, backoff=0.001)) as client,
        pytest.raises(UnreachableError, match="closed the stream"),
    ):
        client.follow("gen_x").read()
    assert 0.1 < time.monotonic() - began < 5


def test_nobody_listens(pauses: list[float]) -> None:
    with (
        Client("http://127.0.0.1:1", retries=partial(RetryBudget, total=4.0)) as client,
        pytest.raises(UnreachableError, match=r"cannot reach http://127\.0\.0\.1:1 \("),
    ):
        client.snapshot("gen_x")
    assert pauses


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "<html>", content_type="text/html"),
        Answer(202, "<html>", content_type="text/html"),
        Answer(202, {}),
        Answer(200, "event: delta\ndata: {}\n\n", content_type="text/event-stream"),
        Answer(200, "event: delta\ndata: <html>\n\n", content_type="text/event-stream"),
    ],
)
def test_something_else_answers(scripted_api: ScriptedApi, answer: Answer) -> None:
    scripted_api.answers.append(answer)
    with Client(scripted_api.url, retries=quick) as client, pytest.raises(NotMidstreamError):
        client.create({}).read()


def test_calls_are_answered(scripted_api: ScriptedApi, pauses: list[float]) -> None:
    scripted_api.answers.extend([Answer(503, headers={"Retry-After": "1"}), Answer(200, {"state": "running"})])
    scripted_api.answers.extend([Answer(200, {"state": "cancelled"}), Answer(200, {"data": [], "next": None})])
    with Client(scripted_api.url) as client:
        assert client.snapshot("gen_x") == {"state": "running"}
        assert client.cancel("gen_x") == {"state": "cancelled"}
        assert client.conversations(limit=2, before="a/b")["data"] == []
    assert [(got.method, got.path) for got in scripted_api.received] == [
        ("GET", "/v1/generations/gen_x"),
        ("GET", "/v1/generations/gen_x"),
        ("POST", "/v1/generations/gen_x/cancel"),
        ("GET", "/v1/conversations?limit=2&before=a%2Fb"),
    ]
    assert len(pauses) == 1
    assert pauses[0] >= 1


def test_a_conversation_is_loaded_and_goes_on(scripted_api: ScriptedApi) -> None:
    turn = {"id": "gen_a", "state": "completed", "parts": [{"kind": "text", "text": "A", "complete": True}]}
    page = {"title": "T", "count": 2, "cursor": "a.1-2", "generations": [turn | {"number": 2}], "next": 2}
    older = {"generations": [turn | {"id": "gen_b", "number": 1, "input": []}], "next": None}
    begins = 'event: generation\ndata: {"generation":"gen_c","number":3}\nid: c.0-0\n\n'
    scripted_api.answers.extend([Answer(200, page), Answer(200, older)])
    scripted_api.answers.append(Answer(200, begins, content_type="text/event-stream"))
    scripted_api.answers.append(Answer(410))
    with Client(scripted_api.url, retries=partial(quick, total=20.0)) as client, client.conversation("a/b") as turns:
        assert turns.load().about == {"title": "T", "count": 2}
        assert [turns.older(), turns.older()] == [True, False]
        events = iter(turns)
        assert next(events) == Event("c.0-0", "generation", {"generation": "gen_c", "number": 3}, "gen_c")
        assert [turn.id for turn in turns.turns] == ["gen_b", "gen_a", "gen_c"]
        assert [turn.answer.text for turn in turns.turns] == ["A", "A", ""]
        assert (turns.id, turns.cursor) == ("a/b", "c.0-0")
    paths = ["/v1/conversations/a%2Fb", "/v1/conversations/a%2Fb?before=2", "/v1/conversations/a%2Fb/events"]
    assert [got.path for got in scripted_api.received] == paths
    assert scripted_api.cursors() == ["a.1-2"]


def test_a_client_of_httpx2_may_be_given_and_stays_open(scripted_api: ScriptedApi) -> None:
    scripted_api.answers.extend([Answer(200, {}), Answer(200, {})])
    with httpx2.Client(headers={"X-Ours": "1"}) as http:
        for _ in range(2):
            with Client(scripted_api.url, http=http) as client:
                client.snapshot("gen_x")
    assert [got.headers["x-ours"] for got in scripted_api.received] == ["1", "1"]


def test_what_cannot_be_asked() -> None:
    with Client("http://127.0.0.1:1") as client:
        for name in ("", "..", "a/b", "a?b"):
            with pytest.raises(NotFoundError):
                client.follow(name)
            with pytest.raises(NotFoundError):
                client.snapshot(name)
        with pytest.raises(ValueError, match="JSON"):
            client.create({"temperature": float("nan")})
    with pytest.raises(RefusedError, match="not an address"):
        Client("localhost:8000")
    with pytest.raises(RefusedError, match="key"):
        Client("http://127.0.0.1:1", "two\nlines")


def test_an_error_of_who_reads_is_no_lost_connection(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a")
    with Client(scripted_api.url, retries=quick) as client:
        events = client.follow("gen_x").__iter__()
        next(events)
        with pytest.raises(ZeroDivisionError):
            events.throw(ZeroDivisionError())
    assert len(scripted_api.received) == 1


@pytest.mark.parametrize("driver", ["client.py", "async_client.py"])
def test_a_driver_is_short(driver: str) -> None:
    lines = (ROOT / "clients/python/midstream_client" / driver).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
