"""An answer on a terminal, from which one turns away."""

from __future__ import annotations

import pytest

from midstream.conversing.current_answer import what_to_do
from midstream.errors import NotFoundError, UnreachableError
from tests.harness.terminal import CTRL_C, CTRL_D
from tests.midstream.conversing.conftest import Chat, page, turn
from tests.midstream.scripted_api import Answer, ScriptedApi


def test_an_error_says_what_to_do() -> None:
    assert what_to_do(UnreachableError("gone", retryable=True)) == "gone; Enter tries again, and /stop gives it up"
    assert what_to_do(NotFoundError("unknown")) == "unknown"


def test_who_comes_back_sees_the_rest_once(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.says("one ", "two ", "three")
    scripted_api.hold_at = 4
    terminal = chat("-m", "m")
    terminal.type("Hi\n")
    terminal.until("one two $")
    terminal.type(CTRL_C)
    terminal.until(r"\^C\nthe answer goes on: Enter shows the rest, /stop ends it\n")
    scripted_api.released.set()
    terminal.until("the answer has ended: Enter shows the rest\n> $")
    terminal.type("\n")
    terminal.until(r"\nthree\n> $")
    assert terminal.screen.count("two") == 1
    # One request each: it was never left.
    assert [got.path for got in scripted_api.received].count("/v1/generations") == 1


@pytest.mark.parametrize("typed", ["/quit\n", CTRL_D])
def test_leaving_while_it_is_written(scripted_api: ScriptedApi, chat: Chat, typed: str) -> None:
    scripted_api.says("one ", "two")
    scripted_api.hold_at = 3
    terminal = chat("-m", "m")
    terminal.type("Hi\n")
    terminal.until("one $")
    terminal.type(typed)
    terminal.until("the answer goes on. Go on with this conversation:\n")
    assert terminal.ended() == 0
    assert not [got for got in scripted_api.received if got.path.endswith("/cancel")]


def test_what_is_gone_is_told_and_let_go(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.page = page(turn(1))
    scripted_api.says("x")
    terminal = chat("-c", "trip", "-m", "m")
    assert "> question 1\nx\n> " in terminal.screen
    scripted_api.answers.append(Answer(410, {"title": "It was deleted"}))
    terminal.type("Hi\n")
    terminal.until("It was deleted; the key Up brings back what you typed\n> $")


def test_what_the_server_has_not_accepted_is_not_said_to_go_on(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.mute.set()
    terminal = chat("-m", "m")
    terminal.type("Hi\n")
    assert scripted_api.held.wait(20)
    terminal.type(CTRL_C)
    terminal.until(r"the server has not accepted it yet, .*: Enter waits for that\n> $")
    terminal.type("/stop\n")
    terminal.until("the server has not accepted it yet; try again in a moment\n")
    terminal.type(CTRL_D)
    terminal.until(r"whether the server has accepted your last message is not known. Go on with this conversation:\n")
    assert terminal.ended() == 0
