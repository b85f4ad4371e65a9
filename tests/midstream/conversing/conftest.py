"""A conversation on a pseudo-terminal, with a scripted API behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from midstream.conversing.bell import Bell
from tests.harness.repository import ROOT
from tests.harness.terminal import Terminal
from tests.midstream.scripted_api import Answer, ScriptedApi

Run = Callable[..., Terminal]
Chat = Callable[..., Terminal]


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as one:
        yield one


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run an interpreter with these arguments on a terminal; ended after the test."""
    begun: list[Terminal] = []

    def begin(*arguments: str, **environment: str) -> Terminal:
        terminal = Terminal([sys.executable, *arguments], tmp_path, {"PYTHONPATH": str(ROOT)} | environment)
        begun.append(terminal)
        return terminal

    yield begin
    for terminal in begun:
        terminal.close()


@pytest.fixture
def chat(run: Run, scripted_api: ScriptedApi) -> Chat:
    """Begin `midstream chat` with these options, and wait for its prompt."""

    def begin(*options: str, **environment: str) -> Terminal:
        terminal = run("-m", "midstream", "chat", "--url", scripted_api.url, *options, **environment)
        terminal.until(r"\n> $")
        return terminal

    return begin


def turn(number: int, state: str = "completed", **fields: Any) -> dict[str, Any]:
    """A turn as a page has it."""
    asked = [{"role": "user", "content": f"question {number}"}]
    return {"id": f"gen_{number}", "number": number, "state": state, "input": asked, "parts": []} | fields


CALL = {"kind": "tool_call", "call_id": "call_1", "name": "time", "arguments": {}, "complete": True}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "This client has not run it."}
"""What goes with the message behind a turn with this part."""


def page(*turns: dict[str, Any], cursor: str | None = None) -> Answer:
    """The newest page of a conversation."""
    return Answer(200, {"id": "trip", "title": "T", "generations": list(turns), "cursor": cursor, "next": None})
