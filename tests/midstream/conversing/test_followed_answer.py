"""An answer that a thread follows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from midstream.client.http_client import HttpClient
from midstream.conversing import followed_answer
from midstream.conversing.bell import Bell
from midstream.conversing.followed_answer import FollowedAnswer, Question
from midstream.errors import RefusedError
from midstream_client import Event, RetryBudget
from tests.midstream.scripted_api import Answer, ScriptedApi


@pytest.fixture
def answer(scripted_api: ScriptedApi, bell: Bell) -> Iterator[FollowedAnswer]:
    with HttpClient(scripted_api.url, budget=lambda: RetryBudget(total=0.0)) as client:
        yield FollowedAnswer(client, client.create(b"{}"), bell, Question(None, "m"))


def taken(answer: FollowedAnswer, bell: Bell) -> list[Event | str]:
    found = list(answer.take())
    while not answer.shown:
        bell.wait()
        found += answer.take()
    return found


def test_all_of_it_waits_until_it_is_taken(scripted_api: ScriptedApi, bell: Bell, answer: FollowedAnswer) -> None:
    scripted_api.says("a", "b")
    answer.begin()
    while not answer.left:
        bell.wait()
    assert not answer.shown
    events = [item for item in taken(answer, bell) if isinstance(item, Event)]
    assert [event.id for event in events] == [frame[0] for frame in scripted_api.log]
    assert answer.error is None


def test_a_message_is_sent_again_with_its_key_until_it_is_accepted(
    scripted_api: ScriptedApi, bell: Bell, answer: FollowedAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_answer, "AGAIN_S", 0.01)
    scripted_api.says("a")
    scripted_api.lost_posts = 3
    answer.begin()
    told = [item for item in taken(answer, bell) if isinstance(item, str)]
    assert len(told) == 1
    assert told[0].endswith("; trying again")
    assert answer.error is None
    assert len(scripted_api.keys) == 1
    assert sum(got.method == "POST" for got in scripted_api.received) == 4


def test_what_was_given_up_begins_again_with_the_same_key(
    scripted_api: ScriptedApi, bell: Bell, answer: FollowedAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_answer, "ACCEPTANCE_S", 0.0)
    scripted_api.says("a")
    scripted_api.lost_posts = 1
    answer.begin()
    assert taken(answer, bell) == []
    assert answer.error is not None
    assert answer.error.retryable
    answer.begin()
    assert len(taken(answer, bell)) == len(scripted_api.log)
    assert len(scripted_api.keys) == 1


def test_a_refusal_is_its_end(scripted_api: ScriptedApi, bell: Bell, answer: FollowedAnswer) -> None:
    scripted_api.answers.append(Answer(422, {"title": "No such model"}))
    answer.begin()
    assert taken(answer, bell) == []
    assert isinstance(answer.error, RefusedError)


def test_a_fault_of_ours_reaches_the_main_thread(
    bell: Bell, answer: FollowedAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpClient, "events", lambda *_: 1 / 0)
    answer.begin()
    with pytest.raises(ZeroDivisionError):
        taken(answer, bell)
