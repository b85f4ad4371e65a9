"""From which turn the next one goes on."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.client.http_client import HttpClient
from midstream.conversing.place import NEWEST, Newest, Place, words_of
from midstream_client import Answer
from tests.midstream.conversing.conftest import CALL, RESULT, page, turn
from tests.midstream.scripted_api import Answer as ApiAnswer
from tests.midstream.scripted_api import ScriptedApi


@pytest.mark.parametrize(
    ("state", "previous", "runs"),
    [
        ("completed", "gen_2", False),
        ("cancelled", "gen_2", False),
        ("failed", "gen_1", False),
        ("running", "gen_2", True),
    ],
)
def test_where_the_next_one_goes_on(scripted_api: ScriptedApi, state: str, previous: str, runs: bool) -> None:
    scripted_api.answers.append(page(turn(2, state, previous="gen_1", model="m"), turn(1)))
    with HttpClient(scripted_api.url) as client:
        place = Place(client, "trip")
        assert [one.id for one in place.look()] == ["gen_1", "gen_2"]
        assert (place.previous, place.runs) == (previous, runs)
        assert place.newest is not None
        assert place.newest.model == "m"
        # What is known is not new.
        scripted_api.answers.append(page(turn(3), turn(2, state)))
        assert [one.id for one in place.look()] == ["gen_3"]
    assert scripted_api.received[0].path == f"/v1/conversations/trip?limit={NEWEST}"


def test_the_calls_of_what_the_next_one_goes_on_from_get_results(scripted_api: ScriptedApi) -> None:
    with HttpClient(scripted_api.url) as client:
        place = Place(client, "trip")
        assert place.opening() == []
        scripted_api.answers.append(page(turn(2, "failed", previous="gen_1"), turn(1, parts=[CALL])))
        place.look()
        assert place.opening() == [RESULT]
        place.heard(Newest("gen_3", "gen_1", "m", "completed"))
        place.said("gen_3", Answer.of_snapshot(turn(3)))
        assert place.opening() == []
        # One that no page had is asked for.
        place.heard(Newest("gen_9", "gen_8", "m", "failed"))
        scripted_api.answers.append(ApiAnswer(200, turn(8, parts=[CALL])))
        assert place.opening() == place.opening() == [RESULT]
    assert [got.path for got in scripted_api.received[1:]] == ["/v1/generations/gen_8"]


@pytest.mark.parametrize("status", [404, 410])
def test_one_that_nobody_began_or_that_was_deleted(scripted_api: ScriptedApi, status: int) -> None:
    scripted_api.answers.append(ApiAnswer(status, {"code": "gone"}))
    with HttpClient(scripted_api.url) as client:
        place = Place(client, "trip")
        place.heard(Newest("gen_1", None, "m", "completed"))
        assert place.previous == "gen_1"
        assert place.look() == []
        assert place.newest is None


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (None, ""),
        ([{"role": "system", "content": "x"}, {"role": "user", "content": "a\nb"}], "a\nb"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]}], "a\nb"),
        ([{"role": "tool", "content": "x"}, {"role": "user"}], ""),
    ],
)
def test_the_words_of_a_user(messages: list[dict[str, Any]] | None, expected: str) -> None:
    assert words_of(messages) == expected
