"""A viewer that is cut everywhere sees what an uncut one sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from midstream.client.http_client import HttpClient
from midstream.client.resuming_client import ResumingClient, ViewerEvent
from midstream.client.retry import RetryBudget
from midstream.errors import ClientError, NotFoundError, UnreachableError
from shared.sse_decoder import MAX_EVENT_BYTES
from tests.midstream.scripted_api import Answer, Frame, HowCut, ScriptedApi

MakeClient = Callable[..., HttpClient]


def quick() -> RetryBudget:
    return RetryBudget(total=2.0, first=0.2, backoff=0.001)


@pytest.fixture
def make_client(scripted_api: ScriptedApi) -> Iterator[MakeClient]:
    """A client of the scripted API whose times are short."""
    made: list[HttpClient] = []

    def make(silence: float = 10.0, patience: Callable[[], RetryBudget] = quick) -> HttpClient:
        made.append(HttpClient(scripted_api.url, silence=silence, budget=patience))
        return made[-1]

    yield make
    for client in made:
        client.__exit__()


def frames(events: list[ViewerEvent]) -> list[Frame]:
    return [(event.id, event.type, event.data) for event in events]


def tail(client: HttpClient, after: str | None = None) -> list[ViewerEvent]:
    return list(ResumingClient(client, generation_id=ScriptedApi.generation_id, after=after).events())


@pytest.mark.parametrize("how", ["end", "reset", "half", "drain"])
def test_cut_before_every_event_in_turn(scripted_api: ScriptedApi, make_client: MakeClient, how: HowCut) -> None:
    scripted_api.says("Hel", "lo ", "wörld 🌍\u2028", "\r\n\x00")
    for cut_after in range(len(scripted_api.log)):
        scripted_api.received.clear()
        scripted_api.cuts.append((cut_after, how))
        got = [frame for frame in frames(tail(make_client())) if frame[1] != "drain"]
        assert got == scripted_api.log
        first, second = scripted_api.cursors()
        assert first is None
        sent = [None, *(frame[0] for frame in scripted_api.log[:cut_after])]
        # A reset may take with it what had arrived and was not read yet.
        assert second in sent if how == "reset" else second == sent[-1]


def test_every_connection_brings_one_event_only(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a", "b", "c")
    scripted_api.cuts.extend([(1, "half")] * (len(scripted_api.log) - 1))
    assert frames(tail(make_client())) == scripted_api.log
    assert scripted_api.cursors() == [None, *(frame[0] for frame in scripted_api.log[:-1])]


def test_begins_behind_the_given_event(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a", "b", "c")
    assert frames(tail(make_client(), after=scripted_api.log[3][0])) == scripted_api.log[4:]


def test_an_event_may_be_longer_than_a_provider_sends_any(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    """What a provider sends in 64 MB may be longer as our JSON, and the API has it in its log."""
    scripted_api.says("x" * (MAX_EVENT_BYTES + 1_000_000), "y")
    assert frames(tail(make_client())) == scripted_api.log


def test_204_ends_it(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    assert tail(make_client(), after=scripted_api.log[-1][0]) == []
    assert len(scripted_api.received) == 1


def test_silent_connection_is_cut_and_resumed(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a", "b")
    scripted_api.cuts.append((3, "silence"))
    assert frames(tail(make_client(silence=0.2))) == scripted_api.log
    assert scripted_api.cursors() == [None, scripted_api.log[2][0]]


def test_lost_answer_to_a_post_makes_one_generation(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a", "b")
    scripted_api.lost_posts = 2
    scripted_api.cuts.append((2, "half"))
    follower = ResumingClient(make_client(), body=b'{"model":"m"}')
    assert frames(list(follower.events())) == scripted_api.log
    assert follower.generation_id == scripted_api.generation_id
    posts = [got for got in scripted_api.received if got.method == "POST"]
    assert len(posts) == 3
    assert {got.body for got in posts} == {b'{"model":"m"}'}
    assert len(scripted_api.keys) == 1
    assert scripted_api.cursors() == [scripted_api.log[1][0]]


def test_a_202_without_a_stream_is_followed(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    scripted_api.answers.append(Answer(202, {}, {"Location": "/v1/generations/gen_x"}))
    follower = ResumingClient(make_client(), body=b"{}")
    assert frames(list(follower.events())) == scripted_api.log
    assert [got.path for got in scripted_api.received] == [
        "/v1/generations",
        "/v1/generations/gen_x/events",
    ]


def test_two_followers_use_two_keys(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    client = make_client()
    for _ in range(2):
        list(ResumingClient(client, body=b"{}").events())
    assert len(scripted_api.keys) == 2


def test_events_outside_the_log_do_not_move_the_cursor(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    # By the rules of event streams the second `queued` carries the id of the event before it.
    scripted_api.says("a", "b")
    scripted_api.log.insert(2, (None, "queued", {"position": 1}))
    scripted_api.cuts.append((3, "end"))
    got = tail(make_client())
    assert {event.id for event in got if event.type == "queued"} == {None}
    assert scripted_api.cursors() == [None, scripted_api.log[1][0]]


def test_reset_forgets_the_cursor(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    scripted_api.preamble = [(None, "reset", {"reason": "unknown_cursor"})]
    scripted_api.cuts.append((0, "end"))
    got = tail(make_client(), after="5-5")
    assert [frame for frame in frames(got) if frame[0]] == scripted_api.log
    assert scripted_api.cursors() == ["5-5", None]


def test_retry_is_honoured(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    scripted_api.retry_ms = 300
    scripted_api.cuts.append((2, "end"))
    began = time.monotonic()
    tail(make_client())
    assert time.monotonic() - began >= 0.3


def test_passing_answers_are_tried_again(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    scripted_api.answers.extend([Answer(503), Answer(502), Answer(429), Answer(500)])
    assert frames(tail(make_client())) == scripted_api.log


def test_an_outage_is_told_once(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a", "b")
    scripted_api.cuts.extend([(1, "half"), (1, "half"), (0, "end"), (0, "end"), (0, "end")])
    outages: list[str] = []
    list(ResumingClient(make_client(), generation_id="gen_x", on_outage=outages.append).events())
    assert len(outages) == 1
    assert "closed the stream" in outages[0]


@pytest.mark.parametrize(("status", "error"), [(404, NotFoundError), (410, NotFoundError), (418, ClientError)])
def test_final_answers_are_not(
    scripted_api: ScriptedApi, make_client: MakeClient, status: int, error: type[ClientError]
) -> None:
    scripted_api.says("a")
    scripted_api.cuts.append((2, "half"))
    follower = ResumingClient(make_client(), generation_id="gen_x")
    events = follower.events()
    next(events)
    scripted_api.answers.append(Answer(status, {"detail": "because"}))
    with pytest.raises(error, match="because"):
        list(events)
    assert len(scripted_api.received) == 2


def test_gives_up_when_nothing_comes_for_too_long(scripted_api: ScriptedApi, make_client: MakeClient) -> None:
    scripted_api.says("a")
    scripted_api.cuts.append((1, "end"))
    scripted_api.cuts.extend([(0, "end")] * 100_000)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="closed the stream"):
        tail(make_client(patience=lambda: RetryBudget(total=0.3, backoff=0.001)))
    assert 0.1 < time.monotonic() - began < 5


def test_nobody_listens(scripted_api: ScriptedApi) -> None:
    with (
        HttpClient("http://127.0.0.1:1", budget=quick) as client,
        pytest.raises(UnreachableError, match=r"start it with `.* up --port 1`"),
    ):
        tail(client)


@pytest.mark.parametrize(
    "answer", [Answer(200, "<html>", content_type="text/html"), Answer(202, {}, {"Location": "/"})]
)
def test_something_else_answers(scripted_api: ScriptedApi, make_client: MakeClient, answer: Answer) -> None:
    scripted_api.answers.append(answer)
    with pytest.raises(UnreachableError, match="not a Midstream API"):
        list(ResumingClient(make_client(), body=b"{}").events())
