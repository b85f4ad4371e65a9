"""The command line: parts of an answer that were passed over, output that cannot be written, columns, spaces."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Event, Running, executable, until
from tests.mended.upstream import DONE, Script, Upstream, answer, chunk, counted

mended = pytest.mark.mended("answers-13")
guard = pytest.mark.mended("answers-13", guard=True)
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")

MIDSTREAM = shlex.quote(executable())
LONG_NAME = "a-model-with-a-name-of-forty-letters-1234"
WORDS = "wörld 🌍 " * 20_000
PNG = b"\x89PNG" + bytes(200)
ARGUMENTS = '{"city": "Bad   Honnef", "note": "' + "x" * 30 + '"}'


def call_delta(index: int, arguments: str, name: str | None = None) -> bytes:
    function: dict[str, Any] = {"arguments": arguments} | ({"name": name} if name else {})
    begun = {"id": f"call_{index}", "type": "function"} if name else {}
    return chunk({"tool_calls": [{"index": index, **begun, "function": function}]})


def image(data: bytes) -> bytes:
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return chunk({"images": [{"type": "image_url", "index": 0, "image_url": {"url": url}}]})


def calls() -> Script:
    head = [chunk({"content": "I look."}), call_delta(0, "", "get_weather")]
    # With pauses, so that they are several events in the log.
    pieces = [step for at in range(0, len(ARGUMENTS), 10) for step in (call_delta(0, ARGUMENTS[at : at + 10]), 0.1)]
    second = [call_delta(1, "", "get_time"), call_delta(1, '{"zone":\n'), call_delta(1, ' "UTC"}')]
    return Script([*head, *pieces, *second, chunk({}, "tool_calls"), counted(5, 7), DONE])


def slow_call() -> Script:
    steps: list[object] = [call_delta(0, "", "get_weather")]
    for letter in ARGUMENTS:
        steps += [call_delta(0, letter), 0.25]
    return Script([*steps, chunk({}, "tool_calls"), DONE])


SCRIPTS: dict[str, Script] = {
    "calls": calls(),
    "slow-call": slow_call(),
    "image": Script([image(PNG), image(PNG[:100]), chunk({}, "stop"), DONE]),
    "words": Script([chunk({"content": WORDS}), chunk({}, "stop"), counted(123456, 7890), DONE]),
    LONG_NAME: Script([chunk({"content": "x"}), chunk({}, "stop"), counted(123456, 7890), DONE]),
    "hello": answer("wörld 🌍"),
}


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    return serve_shared(SCRIPTS)


@pytest.fixture(scope="module")
def running(start_shared: Start, upstream: Upstream) -> Running:
    return start_shared(upstream, toml='[prices."openai/*"]\ninput = "1"\noutput = "2"\n')


@pytest.fixture(scope="module")
def ended(running: Running) -> dict[str, str]:
    """Id of an ended generation of each model that ends at once."""
    ids = {model: running.ask(f"openai/{model}") for model in SCRIPTS if model != "slow-call"}
    for one in ids.values():
        assert running.end(one)["state"] == "completed"
    return ids


def shell(running: Running, command: str, **env: str) -> Any:
    variables = running.env | {"MIDSTREAM_URL": running.url} | env
    return subprocess.run(
        ["bash", "-c", command],
        env=variables,
        cwd=running.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def on_a_terminal(running: Running, width: int, *arguments: str, **env: str) -> str:
    """What a command writes to a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    variables = running.env | {"MIDSTREAM_URL": running.url, "TERM": "xterm", "NO_COLOR": "1"} | env
    variables = {name: value for name, value in variables.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [executable(), *arguments], stdin=slave, stdout=slave, stderr=slave, env=variables, cwd=running.folder
    )
    os.close(slave)
    said = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            # Linux' way to say that the last one has closed it.
            break
        if not piece:
            break
        said += piece
    os.close(master)
    process.wait(30)
    return said.decode("utf-8", "replace")


def cursors(running: Running, generation: str) -> list[Event]:
    return [event for event in running.events(generation) if event.id]


@mended
def test_a_call_in_which_it_was_left_is_told_whole(running: Running, ended: dict[str, str]) -> None:
    log = cursors(running, ended["calls"])
    ends = [at for at, event in enumerate(log) if event.event == "part_end"]
    deltas = [at for at, event in enumerate(log) if event.event == "delta" and event.data["kind"] == "tool_call"]
    for cut in (deltas[0], deltas[3], deltas[-1], ends[-1] - 1):
        told = running.cli("tail", ended["calls"], "--after", log[cut].id).stderr.decode()
        left = [event.data["part"] for event in log[cut + 1 :] if event.event == "part_end"]
        names = re.findall(r"^tool call (\S+) (.*)$", told, re.MULTILINE)
        expected = [("get_weather", json.loads(ARGUMENTS)), ("get_time", {"zone": "UTC"})]
        assert [(name, json.loads(text)) for name, text in names] == expected[-sum(part > 0 for part in left) :], cut


@mended
def test_the_command_that_ctrl_c_prints_tells_the_call_whole(running: Running) -> None:
    process = subprocess.Popen(
        [executable(), "chat", "-m", "openai/slow-call", "go"],
        env=running.env | {"MIDSTREAM_URL": running.url},
        cwd=running.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def in_mid_call() -> bool:
        newest = next(iter(running.call("GET", "/v1/generations").document["data"]), None)
        if newest is None or newest["model"] != "openai/slow-call":
            return False
        return '"Bad' in json.dumps(running.snapshot(newest["id"])["parts"])

    try:
        until(in_mid_call, 40, running)
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    rejoin = said.decode().splitlines()[-1].strip()
    told = shell(running, rejoin).stderr.decode()
    assert f"tool call get_weather {ARGUMENTS}" in told


@mended
def test_files_are_told_and_saved(running: Running, ended: dict[str, str], tmp_path: Path) -> None:
    sizes = ["204 bytes", "100 bytes"]
    for command in (["tail", ended["image"]], ["chat", "-m", "openai/image", "draw"]):
        said = running.cli(*command)
        told = [line for line in said.stderr.decode().splitlines() if line.startswith("file image/png, ")]
        assert said.stdout == b""
        assert [line.split("; ")[0].removeprefix("file image/png, ") for line in told] == sizes
        save = told[0].split("; ")[1]
        folder = tmp_path / command[0]
        folder.mkdir()
        done = subprocess.run(
            ["bash", "-c", save], cwd=folder, env=running.env, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        names = [Path(name) for name in done.stdout.decode().splitlines()]
        assert [(folder / name).read_bytes() for name in names] == [PNG, PNG[:100]]
    assert [line for line in running.cli("show", ended["image"]).stdout.decode().splitlines() if "file" in line] == [
        f"file image/png, {size}" for size in sizes
    ]


@mended
@full
def test_what_cannot_be_written_is_one_line_and_exit_1(running: Running, ended: dict[str, str]) -> None:
    one = ended["words"]
    wrong = []
    for command in (f"tail {one}", f"show {one}", f"show --json {one}", "list", "list --json", "usage", "--version"):
        for how in (">/dev/full", ">&-"):
            done = shell(running, f"{MIDSTREAM} {command} {how}")
            if done.returncode != 1 or len(done.stderr.splitlines()) != 1:
                wrong.append((command, how, done.returncode, len(done.stderr.splitlines())))
    assert wrong == []


@mended
def test_behind_head_all_is_quiet(running: Running, ended: dict[str, str]) -> None:
    one = ended["words"]
    wrong = []
    for command in (f"tail {one}", f"show {one}", f"show --json {one}", "list", "list --json", "usage", "--help"):
        done = shell(running, f"{MIDSTREAM} {command} | true; exit ${{PIPESTATUS[0]}}")
        if (done.returncode, done.stderr) != (0, b""):
            wrong.append((command, done.returncode, done.stderr[-200:]))
    assert wrong == []


@mended
@full
def test_standard_error_that_is_full_or_closed_does_not_cost_the_text(running: Running) -> None:
    for how, code in (("2>/dev/full", 1), ("2>&-", 0)):
        done = shell(running, f"{MIDSTREAM} chat -m openai/hello go {how}")
        assert (done.returncode, done.stdout.decode(), done.stderr) == (code, "wörld 🌍\n", b""), how


@mended
def test_every_locale_gets_the_text(running: Running, ended: dict[str, str]) -> None:
    for locale in ({"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}):
        for command in ("show", "tail"):
            done = running.cli(command, ended["hello"], env=locale)
            assert (done.returncode, done.stderr) == (0, b""), (command, locale)
            assert done.stdout.decode().endswith("wörld 🌍\n"), (command, locale)
    said = on_a_terminal(running, 80, "show", ended["hello"], LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "w?rld ?" in said
    assert "Traceback" not in said


@mended
@pytest.mark.parametrize("width", [40, 60, 80])
def test_nothing_is_cut_on_a_narrow_terminal(running: Running, ended: dict[str, str], width: int) -> None:
    until(lambda: LONG_NAME in running.cli("usage").stdout.decode(), 30, running)
    usage = on_a_terminal(running, width, "usage")
    listing = on_a_terminal(running, width, "list")
    shown = on_a_terminal(running, width, "show", ended[LONG_NAME])
    for said, values in (
        (usage, [f"openai/{LONG_NAME}", "123456", "7890", "0.139236 USD"]),
        (listing, [f"openai/{LONG_NAME}", *ended.values(), "completed"]),
        (shown, [f"openai/{LONG_NAME}", ended[LONG_NAME], "123456", "0.139236"]),
    ):
        assert "…" not in said
        for value in values:
            assert any(value in line for line in said.splitlines()), (value, said)


@mended
def test_a_pipe_has_no_width(start: Start, serve: Serve) -> None:
    name = "m" * 150
    running = start(serve({name: answer()}))
    generation = running.ask(f"openai/{name}")
    running.end(generation)
    until(lambda: b"mmm" in running.cli("usage").stdout, 30, running)
    row = next(line for line in running.cli("list").stdout.decode().splitlines() if line.startswith(generation))
    assert row.split()[:3] == [generation, "completed", f"openai/{name}"]
    row = next(line for line in running.cli("usage").stdout.decode().splitlines() if "mmm" in line)
    assert row.split()[0] == f"openai/{name}"
    assert len(row.split()) >= 10


@mended
def test_spaces_of_arguments_stay(running: Running, ended: dict[str, str]) -> None:
    for said in (
        running.cli("tail", ended["calls"]).stderr,
        running.cli("chat", "-m", "openai/calls", "go").stderr,
        running.cli("show", ended["calls"]).stdout,
    ):
        assert f"tool call get_weather {ARGUMENTS}" in said.decode()


@guard
def test_spaces_of_a_prompt_stay(running: Running, upstream: Upstream) -> None:
    prompt = "a   b\t c\n\n  d "
    running.cli("chat", "-m", "openai/hello", prompt, "-s", " be  brief ")
    said = upstream.sent["hello"][-1].body["messages"]
    assert [message["content"] for message in said] == [" be  brief ", prompt]


@guard
def test_the_printed_command_runs_when_it_is_pasted(running: Running, ended: dict[str, str]) -> None:
    process = subprocess.Popen(
        [executable(), "chat", "-m", "openai/slow-call", "go", "--url", running.url],
        env=running.env,
        cwd=running.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"generation ")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    done = subprocess.run(
        ["bash", "-c", said.decode().splitlines()[-1]],
        env=running.env,
        cwd=running.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@guard
def test_a_pipe_gets_exactly_the_text(running: Running, ended: dict[str, str]) -> None:
    assert running.cli("tail", ended["words"]).stdout == (WORDS + "\n").encode()
