"""`midstream chat` on a terminal, against real processes: a conversation that goes on through what happens to it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from midstream_client import Client
from tests.harness.processes import Stack
from tests.harness.proxy import Proxy
from tests.harness.repository import ROOT
from tests.harness.terminal import CTRL_C, CTRL_D, UP, Terminal

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(240)]
QUICK = "simulator/lorem?deltas=3&rate=100&seed=3"
SLOW = "simulator/clock?deltas=2000&rate=20"
LONG = "simulator/clock?deltas=60&rate=20"
EMPTY_PROMPT = r"\n> $"
COMMAND = [sys.executable, "-m", "midstream", "chat"]

Chat = Callable[..., Awaitable[Terminal]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def chat(stack: Stack, tmp_path: Path) -> AsyncIterator[Chat]:
    """Begin `midstream chat` with these options and wait for its prompt; ended after the test."""
    begun: list[Terminal] = []

    async def begin(*options: str, url: str = "", **environment: str) -> Terminal:
        given = ["--url", url or stack.apis[0].url, *options]
        terminal = Terminal([*COMMAND, *given], tmp_path, {"PYTHONPATH": str(ROOT)} | environment)
        begun.append(terminal)
        await until(terminal, EMPTY_PROMPT)
        return terminal

    yield begin
    for terminal in begun:
        terminal.close()


async def until(terminal: Terminal, pattern: str) -> re.Match[str]:
    return await asyncio.to_thread(terminal.until, pattern)


async def said(terminal: Terminal, text: str, pattern: str = EMPTY_PROMPT) -> None:
    """Type this line, and wait."""
    terminal.type(text + "\n")
    await until(terminal, pattern)


async def left(terminal: Terminal) -> str:
    """Leave by Ctrl-D; the conversation, from the command that goes on with it."""
    terminal.type(CTRL_D)
    assert await asyncio.to_thread(terminal.ended) == 0
    found = re.search(r"--conversation (\S+)", terminal.screen)
    assert found is not None, terminal.screen
    return found[1]


async def turns_of(stack: Stack, name: str) -> list[dict[str, Any]]:
    """All its turns, oldest first."""

    def read() -> list[dict[str, Any]]:
        with Client(stack.apis[0].url) as client:
            found: list[dict[str, Any]] = client.call("GET", f"/v1/conversations/{name}")["generations"]
        return found[::-1]

    return await asyncio.to_thread(read)


def asked(turn: dict[str, Any]) -> str:
    content: str = turn["input"][-1]["content"]
    return content


async def newest(stack: Stack) -> str:
    """The conversation that somebody has spoken in last."""
    with Client(stack.apis[0].url) as client:
        name: str = (await asyncio.to_thread(client.conversations))["data"][0]["id"]
    return name


async def asked_elsewhere(stack: Stack, name: str, text: str, model: str = QUICK, **fields: str) -> str:
    """Ask something in a conversation from another place, and wait for the end; the generation."""

    def ask() -> str:
        with Client(stack.apis[0].url) as client:
            messages = [{"role": "user", "content": text}]
            follower = client.create({"model": model, "messages": messages, "conversation": name, **fields})
            follower.read()
            assert follower.id is not None
            return follower.id

    return await asyncio.to_thread(ask)


async def test_each_message_goes_on_from_the_answer_before(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", QUICK, "--system", "Be kind.")
    await said(terminal, "One")
    await said(terminal, "/model simulator/echo")
    terminal.type("\x1b[200~two\rlines, /stop\x1b[201~")
    await until(terminal, "stop")
    await said(terminal, "")
    # What was typed before is there again, both lines of it.
    terminal.type(UP)
    await until(terminal, "/stop$")
    await said(terminal, " again")
    one, two, three = await turns_of(stack, await left(terminal))
    assert [asked(turn) for turn in (one, two, three)] == ["One", "two\nlines, /stop", "two\nlines, /stop again"]
    assert [turn["previous"] for turn in (one, two, three)] == [None, one["id"], two["id"]]
    assert [turn["model"] for turn in (one, two, three)] == [QUICK, "simulator/echo", "simulator/echo"]
    assert two["text"] == "two\nlines, /stop"
    assert one["text"] in terminal.screen


async def test_what_is_typed_while_an_answer_runs(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", SLOW)
    await said(terminal, "Long", r"@\d+;@")
    await said(terminal, "/share", r"http://\S+/s/(\S+)\n")
    await said(terminal, f"/model {QUICK}", "from now on")
    await said(terminal, "Then this", "when this answer has ended")
    await said(terminal, "/stop", "cancelled\n")
    await until(terminal, EMPTY_PROMPT)
    long, then = await turns_of(stack, await left(terminal))
    assert (long["state"], then["state"]) == ("cancelled", "completed")
    assert (asked(then), then["previous"], then["model"]) == ("Then this", long["id"], QUICK)
    link = re.search(r"http://\S+/s/\S+", terminal.screen)
    assert link is not None
    with Client(stack.apis[0].url) as stranger:
        assert (await asyncio.to_thread(stranger.call, "GET", f"/s/{link[0].rpartition('/')[2]}"))["id"] == long["id"]


async def test_ctrl_c_turns_away_and_enter_shows_the_rest(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", LONG)
    await said(terminal, "Long", r"@\d+;@")
    terminal.type(CTRL_C)
    await until(terminal, "Enter shows the rest")
    await until(terminal, EMPTY_PROMPT)
    # It has not been stopped, and its end is told where a prompt waits.
    await until(terminal, "the answer has ended: Enter shows the rest\n> $")
    await said(terminal, "")
    (turn,) = await turns_of(stack, await left(terminal))
    assert turn["state"] == "completed"
    assert "".join(re.findall(r"@\d+;", terminal.screen)) == turn["text"]


async def test_stop_at_the_prompt_ends_it(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", SLOW)
    await said(terminal, "Long", r"@\d+;@")
    terminal.type(CTRL_C)
    await until(terminal, EMPTY_PROMPT)
    await said(terminal, "/stop", r"cancelled\n> $")
    await said(terminal, "/stop", r"no answer runs\n> $")
    assert [turn["state"] for turn in await turns_of(stack, await left(terminal))] == ["cancelled"]


async def test_whoever_leaves_stops_nothing_and_can_go_on(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", LONG)
    await said(terminal, "Long", r"@\d+;@")
    name = await left(terminal)
    assert "the answer goes on" in terminal.screen
    # The newest turn is shown from its beginning, and lives on.
    again = await chat("--conversation", name)
    assert "> Long\n" in again.screen
    await said(again, "And then?")
    long, then = await turns_of(stack, await left(again))
    assert long["state"] == "completed"
    assert (then["previous"], then["model"]) == (long["id"], LONG)
    assert long["text"] in again.screen


async def test_a_prompt_and_a_pipe_go_on_with_it_too(stack: Stack, tmp_path: Path) -> None:
    url = ["--url", stack.apis[0].url, "--conversation", "notes/Röm"]

    def run(*arguments: str, stdin: str = "") -> str:
        command = [*COMMAND, *url, *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    assert await asyncio.to_thread(run, "-m", "simulator/echo", "One") == "One\n"
    assert await asyncio.to_thread(run, stdin="Two") == "Two\n"
    one, two = await turns_of(stack, "notes%2FR%C3%B6m")
    assert (two["previous"], two["model"]) == (one["id"], "simulator/echo")


async def test_connections_that_are_cut_all_the_time(stack: Stack, chat: Chat) -> None:
    async with Proxy("viewer", ("127.0.0.1", stack.apis[0].port)).listening() as proxy:
        terminal = await chat("-m", LONG, url=f"http://{proxy.address}")
        terminal.type("Long\n")
        cuts = 0
        while terminal.screen.count("@") < 60:
            await asyncio.sleep(0.2)
            cuts += proxy.reset()
            await asyncio.to_thread(terminal.read, 0.05)
        await until(terminal, EMPTY_PROMPT)
        (turn,) = await turns_of(stack, await left(terminal))
    assert cuts > 1
    assert "".join(re.findall(r"@\d+;", terminal.screen)) == turn["text"]


async def test_a_message_to_a_server_that_is_not_there_is_sent_once_it_is(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", QUICK)
    await said(terminal, "One")
    await stack.apis[0].kill()
    await said(terminal, "Two", "cannot reach .*midstream up.*trying again")
    await stack.apis[0].start()
    await until(terminal, EMPTY_PROMPT)
    one, two = await turns_of(stack, await left(terminal))
    assert (asked(two), two["previous"]) == ("Two", one["id"])


async def test_what_somebody_else_asks_meanwhile(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", QUICK)
    await said(terminal, "One")
    terminal.type("half a mess")
    await until(terminal, "mess")
    name = await newest(stack)
    elsewhere = await asked_elsewhere(stack, name, "From elsewhere")
    # What is being typed stays, to its letter.
    await until(terminal, f"{elsewhere}.*: Enter shows it\n> half a mess$")
    await said(terminal, "age")
    await said(terminal, "/model simulator/echo")
    last = await asked_elsewhere(stack, name, "And again")
    await until(terminal, f"{last}.*: Enter shows it\n> $")
    await said(terminal, "", r"> And again\n")
    await until(terminal, EMPTY_PROMPT)
    await said(terminal, "Mine")
    turns = await turns_of(stack, await left(terminal))
    assert [asked(turn) for turn in turns] == ["One", "From elsewhere", "half a message", "And again", "Mine"]
    assert (turns[2]["previous"], turns[4]["previous"]) == (elsewhere, last)
    assert "somebody else" not in terminal.screen.split("Mine")[-1], "one's own answers are no news"


async def test_errors_say_what_to_do_and_the_conversation_goes_on(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", "nowhere/x")
    await said(terminal, "One", "use one of: simulator/")
    await until(terminal, r"the key Up brings back what you typed\n> $")
    await said(terminal, f"/model {QUICK}")
    terminal.type(UP + UP)
    await said(terminal, "")
    await said(terminal, "/modle x", r"there is no /modle; /help lists what there is.*\n> $")
    await said(terminal, "/model simulator/lorem?unknown=1", r"from now on\n> $")
    await said(terminal, "Two", r"your next message goes on from the answer before this one\n> $")
    await said(terminal, f"/model {QUICK}")
    await said(terminal, "Three")
    one, two, three = await turns_of(stack, await left(terminal))
    assert [turn["state"] for turn in (one, two, three)] == ["completed", "failed", "completed"]
    assert (two["previous"], three["previous"]) == (one["id"], one["id"])


async def test_a_tool_that_nobody_runs_ends_no_conversation(stack: Stack, chat: Chat) -> None:
    terminal = await chat("-m", "simulator/tools")
    await said(terminal, "What time is it?", r"ended with tool_calls\n> $")
    await said(terminal, f"/model {QUICK}", r"from now on\n> $")
    await said(terminal, "And now?")
    name = await left(terminal)
    called, then = await turns_of(stack, name)
    assert (then["state"], then["previous"], asked(then)) == ("completed", called["id"], "And now?")
    assert {message["role"] for message in then["input"][:-1]} == {"tool"}


async def test_without_readline(stack: Stack, chat: Chat, tmp_path: Path) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "readline.py").write_text("raise ImportError")
    terminal = await chat("-m", "simulator/echo", PYTHONPATH=f"{without}:{ROOT}")
    await said(terminal, "two\nlines")
    elsewhere = await asked_elsewhere(stack, await newest(stack), "From elsewhere")
    await said(terminal, "Mine", r"Enter shows it\nMine\n")
    one, _, mine = await turns_of(stack, await left(terminal))
    assert (asked(one), one["text"]) == ("two\nlines", "two\nlines")
    assert mine["previous"] == elsewhere
