"""What is typed, one line after the other."""

from __future__ import annotations

import json

from tests.harness.terminal import CTRL_C, UP
from tests.midstream.conversing.conftest import Chat, page, turn
from tests.midstream.scripted_api import Answer, ScriptedApi


def test_commands_ask_no_model(scripted_api: ScriptedApi, chat: Chat) -> None:
    terminal = chat("-m", "m")
    terminal.type("/help\n")
    terminal.until(r"/quit +leaves.*\n(.*\n)+> $")
    scripted_api.answers.append(Answer(200, {"data": [{"id": "a/b"}, {"id": "x\x1b[2J/y"}]}))
    terminal.type("/model\n")
    # Also one that is not offered; what another has named is no command to the terminal.
    terminal.until(r"  a/b\n  x␛\[2J/y\n\* m\n> $")
    terminal.type("/foo\n")
    terminal.until("there is no /foo.*Up brings back")
    terminal.until("> $")
    terminal.type(" \n")
    terminal.until("> $")
    terminal.type(CTRL_C)
    terminal.until("Ctrl-D or /quit leaves\n> $")
    terminal.type("/quit\n")
    assert terminal.ended() == 0
    assert "conversation" not in terminal.screen, "there is none to go on with"
    assert [got.method for got in scripted_api.received if got.method == "POST"] == []


def test_a_message_that_was_typed_ahead_is_sent_or_given_back(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.says("one ", "two")
    scripted_api.hold_at = 3
    terminal = chat("-m", "m")
    terminal.type("First\n")
    terminal.until("one $")
    terminal.type("Second\n")
    terminal.until("it is sent when this answer has ended")
    terminal.type(CTRL_C)
    # It would have gone on from what the user has turned away from.
    terminal.until("Enter shows the rest, /stop ends it\n> Second$")
    scripted_api.hold_at = None
    scripted_api.released.set()
    terminal.until("the answer has ended: Enter shows the rest\n> Second$")
    terminal.type("\n")
    terminal.until("two\n")
    terminal.until("one two\n> $")
    texts = [json.loads(got.body)["messages"][0]["content"] for got in scripted_api.received if got.method == "POST"]
    assert texts == ["First", "Second"]


def test_earlier_messages_are_in_the_history(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.page = page(turn(2), turn(1))
    scripted_api.says("x")
    terminal = chat("-c", "trip", "-m", "m")
    terminal.type(UP + UP + "\n")
    terminal.until(r"x\n> $")
    (body,) = (json.loads(got.body) for got in scripted_api.received if got.method == "POST")
    assert body["messages"] == turn(1)["input"]
