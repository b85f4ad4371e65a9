"""What is asked, stopped and shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from midstream.client.http_client import HttpClient
from midstream.conversing.begun_elsewhere import BegunElsewhere
from midstream.conversing.bell import Bell
from midstream.conversing.current_answer import CurrentAnswer
from midstream.conversing.place import Newest, Place
from midstream.conversing.turns import Turns
from midstream.output.answer import AnswerWriter
from tests.midstream.conversing.conftest import CALL, RESULT, Chat, page, turn
from tests.midstream.scripted_api import Answer, ScriptedApi

TurnsAt = Callable[[Newest | None], tuple[Turns, list[str]]]


class Notes(AnswerWriter):
    """Keeps what is said."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def note(self, text: str, *, exact: bool = False) -> None:
        self.notes.append(text)


@pytest.fixture
def turns_at(scripted_api: ScriptedApi, bell: Bell) -> Iterator[TurnsAt]:
    """The turns of a conversation whose newest is this one, and what is told of them."""
    with HttpClient(scripted_api.url) as client:

        def make(newest: Newest | None) -> tuple[Turns, list[str]]:
            notes: list[str] = []
            place = Place(client, "trip")
            if newest is not None:
                place.heard(newest)
            connect = partial(HttpClient, scripted_api.url)
            current = CurrentAnswer(bell, lambda _: Notes(notes))
            return Turns(client, connect, place, BegunElsewhere(connect, place), current, bell, model="m"), notes

        yield make


def test_stop(scripted_api: ScriptedApi, turns_at: TurnsAt) -> None:
    turns, notes = turns_at(None)
    turns.stop()
    turns.share()
    assert notes == ["no answer runs", "there is no answer yet"]
    assert (turns.any, turns.runs) == (False, False)
    for state, said in (("cancelled", []), ("running", []), ("completed", ["it had ended already: completed"])):
        turns, notes = turns_at(Newest("gen_1", None, "m", "running"))
        scripted_api.answers.append(Answer(200, {"state": state}))
        turns.stop()
        assert notes == said
        assert scripted_api.received[-1].path == "/v1/generations/gen_1/cancel"


def test_share(scripted_api: ScriptedApi, turns_at: TurnsAt) -> None:
    turns, notes = turns_at(Newest("gen_1", None, "m", "completed"))
    scripted_api.answers.append(Answer(201, {"url": "http://x/s/abc"}))
    turns.share()
    assert notes == ["http://x/s/abc"]
    assert scripted_api.received[-1].path == "/v1/generations/gen_1/share"


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_sent(scripted_api: ScriptedApi, chat: Chat, fails: bool) -> None:
    state = "failed" if fails else "completed"
    scripted_api.says("x", end=state, code="worker_lost", message="gone")
    scripted_api.hold_at = 1
    terminal = chat("-m", "m", "--system", "Be kind.")
    for text in ("One", "Two"):
        terminal.type(f"{text}\n")
        assert scripted_api.held.wait(20)
        scripted_api.page = page(turn(1, state, id=scripted_api.generation_id))
        scripted_api.hold_at = None
        scripted_api.released.set()
        terminal.until(r"x\n(.*gone\nyour next message .*\n)?> $")
    first, second = (json.loads(got.body) for got in scripted_api.received if got.method == "POST")
    system = {"role": "system", "content": "Be kind."}
    assert first == {
        "model": "m",
        "conversation": first["conversation"],
        "messages": [system, {"role": "user", "content": "One"}],
    }
    # Nothing that was said is sent again: instructions only where there is nothing that has them.
    expected = {"model": "m", "conversation": first["conversation"], "messages": [{"role": "user", "content": "Two"}]}
    if fails:
        expected["messages"].insert(0, system)
    else:
        expected["previous"] = scripted_api.generation_id
    assert second == expected


def test_the_instructions_of_who_goes_on_are_said_until_a_turn_has_them(scripted_api: ScriptedApi, chat: Chat) -> None:
    earlier = page(turn(1, parts=[CALL]))
    scripted_api.page = earlier
    scripted_api.says("x", end="failed", code="provider_error", message="gone")
    terminal = chat("-c", "trip", "-m", "m", "--system", "Be kind.")
    for text in ("One", "Two", "Three"):
        if text == "Two":
            scripted_api.log.clear()
            scripted_api.says("x")
        newest = turn(2, "failed" if text == "One" else "completed", id=scripted_api.generation_id, previous="gen_1")
        scripted_api.page = page(newest, turn(1, parts=[CALL]))
        terminal.type(f"{text}\n")
        terminal.until(rf"{text}\nx\n(.*\n)*> $")
    bodies = [json.loads(got.body) for got in scripted_api.received if got.method == "POST"]
    system = {"role": "system", "content": "Be kind."}
    opening = [RESULT, system]
    assert [body["messages"][:-1] for body in bodies] == [opening, opening, []]
    assert [body["previous"] for body in bodies] == ["gen_1", "gen_1", scripted_api.generation_id]
