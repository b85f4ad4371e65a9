"""`chat` and `tail` as real processes against a real HTTP server."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.repository import ROOT
from tests.midstream.scripted_api import Answer, ScriptedApi

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(scripted_api: ScriptedApi, tmp_path: Path) -> Iterator[Start]:
    """Start a client command against the scripted API; killed after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(
        *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "midstream", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MIDSTREAM_URL": scripted_api.url} | environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = process.communicate(stdin, timeout=30)
    return process.returncode, (out or b"").decode(), err.decode()


def posted(api: ScriptedApi) -> dict[str, object]:
    """The body of the only generation asked for."""
    bodies = [got.body for got in api.received if got.method == "POST"]
    assert len(set(bodies)) == 1
    body: dict[str, object] = json.loads(bodies[0])
    return body


def test_chat_streams_the_answer_through_cuts(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("Hel", "lo ", "wörld 🌍")
    scripted_api.lost_posts = 1
    scripted_api.cuts.extend([(3, "half"), (0, "end"), (1, "drain")])
    code, out, err = finish(start("chat", "Hi", "--model", "simulator/lorem", "--system", "Be kind."))
    assert (code, out) == (0, "Hello wörld 🌍\n")
    assert f"generation {scripted_api.generation_id}" in err
    assert len(scripted_api.keys) == 1
    assert posted(scripted_api) == {
        "model": "simulator/lorem",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
    }


def test_prompt_on_stdin_and_default_model(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("x")
    models = [{"id": "a/b"}, {"id": "c/d", "default": True}]
    scripted_api.answers.append(Answer(200, {"data": models}))
    code, out, _ = finish(start("chat", stdin=subprocess.PIPE), "two\nlines ü\xff\n".encode("latin-1"))
    assert (code, out) == (0, "x\n")
    messages = [{"role": "user", "content": "two\nlines \ufffd\ufffd"}]
    assert posted(scripted_api) == {"model": "c/d", "messages": messages}


def test_a_prompt_goes_on_behind_calls_that_nobody_has_run(scripted_api: ScriptedApi, start: Start) -> None:
    call = {"kind": "tool_call", "call_id": "call_1", "name": "time", "arguments": {}, "complete": True}
    turn = {"id": "gen_1", "number": 1, "state": "completed", "model": "m", "input": [], "parts": [call]}
    scripted_api.page = Answer(200, {"id": "trip", "generations": [turn], "next": None, "cursor": None})
    scripted_api.says("hi")
    assert finish(start("chat", "-c", "trip", "--system", "Be kind.", "Hello"))[:2] == (0, "hi\n")
    assert posted(scripted_api) == {
        "conversation": "trip",
        "previous": "gen_1",
        "model": "m",
        "messages": [
            {"role": "tool", "tool_call_id": "call_1", "content": "This client has not run it."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello"},
        ],
    }


def test_ctrl_c_detaches_and_says_how_to_rejoin(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("one ", "two ", "three")
    scripted_api.hold_at = 4
    process = start("chat", "Hi", "-m", "m")
    assert process.stdout is not None
    assert process.stdout.read(8) == b"one two "
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    # Left, not stopped: nothing but the one POST was sent.
    assert [(got.method, got.path) for got in scripted_api.received] == [("POST", "/v1/generations")]
    scripted_api.hold_at = None
    scripted_api.released.set()
    command = shlex.split(err.splitlines()[-1])
    assert command[:3] == [sys.executable, "-m", "midstream"]
    code, rest, _ = finish(start(*command[3:]))
    assert (code, rest) == (0, "three\n")


def test_left_behind_the_text_the_rest_is_its_newline(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("one ", "two")
    call = {"part": 1, "kind": "tool_call", "name": "weather", "call_id": "c"}
    scripted_api.log.insert(5, ("1000-5", "part", call))
    scripted_api.log[6] = ("1000-6", *scripted_api.log[6][1:])
    scripted_api.hold_at = 6
    process = start("chat", "Hi", "-m", "m")
    assert process.stdout is not None
    assert process.stdout.read(7) == b"one two"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    scripted_api.hold_at = None
    scripted_api.released.set()
    command = shlex.split(err.splitlines()[-1])
    assert command[command.index("--after") + 1] in ("1000-3", "1000-4", "1000-5")
    assert finish(start(*command[3:]))[:2] == (0, "\n")


def test_ctrl_c_before_any_answer(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.mute.set()
    process = start("chat", "Hi", "-m", "m")
    assert scripted_api.held.wait(20)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert f"midstream list --url {scripted_api.url}`" in err


def test_json_lines(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("a\u2028", "b")
    scripted_api.preamble = [(None, "queued", {"id": scripted_api.generation_id, "position": 1})]
    code, out, err = finish(start("chat", "Hi", "-m", "m", "--json"))
    assert (code, err) == (0, "")
    expected = [
        {"id": event_id, "event": type, "data": data}
        for event_id, type, data in scripted_api.preamble + scripted_api.log
    ]
    assert [json.loads(line) for line in out.split("\n")[:-1]] == expected


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_an_end_that_is_no_answer_is_1(scripted_api: ScriptedApi, start: Start, end: str) -> None:
    scripted_api.says("part", end=end, code="worker_lost", message="gone")
    code, out, err = finish(start("tail", scripted_api.generation_id))
    assert (code, out) == (1, "part\n")
    assert end in err


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1)])
def test_tail_behind_the_end_tells_how_it_ended(scripted_api: ScriptedApi, start: Start, state: str, code: int) -> None:
    scripted_api.answers.extend([Answer(204), Answer(200, {"state": state})])
    assert finish(start("tail", scripted_api.generation_id, "--after", "1-1"))[:2] == (code, "")


@pytest.mark.parametrize(
    ("arguments", "answers", "code", "said"),
    [
        (["tail", "gen_x"], [Answer(404, {"title": "No such generation"})], 3, "No such generation"),
        (["tail", "gen_x"], [Answer(410, {"title": "It has expired"})], 3, "It has expired"),
        (["chat", "Hi", "-m", "m"], [Answer(401, {"title": "No key"})], 4, "MIDSTREAM_KEY"),
        (["chat", "Hi", "-m", "m"], [Answer(422, {"title": "Unknown model"})], 2, "Unknown model"),
        (["chat", "Hi"], [Answer(200, {"data": []})], 2, "--model"),
        (["chat", " ", "-m", "m"], [], 2, "the prompt is empty"),
        (["chat", "-m", "m"], [], 2, "the prompt is empty"),
        (["tail", "gen_x", "--after", "yesterday"], [], 2, "--after"),
        (["tail", "../x"], [], 3, "no generation"),
        (["tail"], [], 2, "ID"),
        (["chat", "Hi", "--url", "nowhere"], [], 2, "--url"),
        (["chat", "Hi", "-m", "m", "--url", "http://127.0.0.1:1"], [], 5, "midstream up --port 1`"),
    ],
)
def test_exit_codes(
    scripted_api: ScriptedApi, start: Start, arguments: list[str], answers: list[Answer], code: int, said: str
) -> None:
    scripted_api.answers.extend(answers)
    got, out, err = finish(start(*arguments))
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("final", [False, True])
def test_an_answer_that_starts_over(scripted_api: ScriptedApi, start: Start, final: bool) -> None:
    scripted_api.says("half a wo", end="")
    scripted_api.says("whole")
    code, out, err = finish(start("tail", "gen_x", *["--final"] * final))
    assert (code, out) == (0, "whole\n" if final else "half a wo\nwhole\n")
    assert "what came before is superseded" in err


def test_rejoining_with_final_begins_at_the_beginning(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("one ", "two")
    thought = {"part": 1, "kind": "reasoning", "delta": "hmm"}
    scripted_api.log.insert(3, ("1000-9", "delta", thought))
    scripted_api.hold_at = 4
    process = start("tail", "gen_x", "--final", "--reasoning")
    assert process.stderr is not None
    assert process.stderr.read(3) == b"hmm"
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    command = shlex.split(err.splitlines()[-1])
    assert "--after" not in command
    scripted_api.hold_at = None
    assert finish(start(*command[3:]))[:2] == (0, "one two\n")


def test_closed_pipe_ends_quietly(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says(*["line\n"] * 2000)
    scripted_api.hold_at = 3
    reading, writing = os.pipe()
    process = start("tail", "gen_x", stdout=writing)
    os.close(writing)
    assert os.read(reading, 5) == b"line\n"
    os.close(reading)
    scripted_api.released.set()
    assert finish(process) == (0, "", "")


def test_an_output_that_knows_only_ascii(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("wörld")
    assert finish(start("tail", "gen_x", PYTHONIOENCODING="ascii"))[:2] == (0, "w?rld\n")


def test_a_terminal_is_protected_from_the_text(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.says("a\x1b[2Jb")
    terminal, inside = pty.openpty()
    process = start("tail", "gen_x", stdout=inside, PYTHONIOENCODING="utf-8")
    os.close(inside)
    assert finish(process)[0] == 0
    assert os.read(terminal, 1000).decode() == "a␛[2Jb\r\n"
    os.close(terminal)


def test_key_never_shows(scripted_api: ScriptedApi, start: Start) -> None:
    scripted_api.answers.append(Answer(401, {"title": "No"}))
    _, out, err = finish(start("tail", "gen_x", MIDSTREAM_KEY="sk-very-secret"))
    assert scripted_api.received[0].headers["authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in out + err
