"""How a conversation begins and ends, and where there is none."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.harness.terminal import CTRL_D
from tests.midstream.conversing.conftest import Chat, Run, page, turn
from tests.midstream.scripted_api import Answer, ScriptedApi


def test_a_new_one_can_be_gone_on_with(scripted_api: ScriptedApi, chat: Chat) -> None:
    scripted_api.answers.append(Answer(200, {"data": [{"id": "a/b"}, {"id": "c/d", "default": True}]}))
    scripted_api.page = page(turn(1, id=scripted_api.generation_id))
    scripted_api.says("x")
    terminal = chat()
    assert terminal.screen.startswith("c/d answers; /help says what can be typed, Ctrl-D leaves\n")
    terminal.type("Hi\n")
    terminal.until(r"x\n> $")
    terminal.type(CTRL_D)
    assert terminal.ended() == 0
    (command,) = (shlex.split(line) for line in terminal.screen.splitlines() if "--conversation" in line)
    (body,) = (json.loads(got.body) for got in scripted_api.received if got.method == "POST")
    assert command[2:] == [
        "midstream", "chat", "--conversation", body["conversation"], "--url", scripted_api.url,
    ]  # fmt: skip
    assert body["model"] == "c/d"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(404, {"title": "No such conversation", "code": "not_found"}), "trip has no turn yet: your first"),
        (page(turn(1, model="a/b")), r"trip goes on: T\na/b answers.*\n> question 1\nx\n> $"),
    ],
)
def test_one_that_is_named(scripted_api: ScriptedApi, chat: Chat, answer: Answer, said: str) -> None:
    models = Answer(200, {"data": [{"id": "c/d", "default": True}]})
    scripted_api.page = answer
    if answer.status == 404:
        scripted_api.answers.extend([answer, models])
    scripted_api.says("x")
    terminal = chat("--conversation", "trip")
    assert re.search(said, terminal.screen)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--url", "http://127.0.0.1:1"], 5, "midstream up --port 1"),
        (["-c", "."], 3, "no conversation has the name"),
    ],
)
def test_where_none_can_begin(scripted_api: ScriptedApi, run: Run, options: list[str], code: int, said: str) -> None:
    terminal = run("-m", "midstream", "chat", "--url", scripted_api.url, *options)
    assert terminal.ended() == code
    assert said in terminal.screen


@pytest.mark.parametrize("option", ["-", "--json"])
def test_one_prompt_from_a_terminal_stays_possible(scripted_api: ScriptedApi, run: Run, option: str) -> None:
    scripted_api.says("x")
    terminal = run("-m", "midstream", "chat", "--url", scripted_api.url, "-m", "m", option)
    terminal.until("Ctrl-D on a line of its own")
    terminal.type("two\nlines\n" + CTRL_D)
    assert terminal.ended() == 0
    (body,) = (json.loads(got.body) for got in scripted_api.received if got.method == "POST")
    assert body == {"model": "m", "messages": [{"role": "user", "content": "two\nlines"}]}
