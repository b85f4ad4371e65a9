"""`show`, `list` and `cancel` as real processes against a real HTTP server."""

from __future__ import annotations

import json

import pytest

from tests.midstream.conftest import RunPython
from tests.midstream.scripted_api import Answer, ScriptedApi

SNAPSHOT = {
    "id": "gen_abc",
    "state": "completed",
    "model": "simulator/lorem",
    "created": "2026-01-02T03:04:05.678Z",
    "text": "Hello [bold]wörld[/bold]\n" + "long " * 80,
    "json_error": "is not JSON",
    "parts": [
        {"kind": "tool_call", "name": "weather", "call_id": "c", "arguments": {"city": "Kö\u0007ln"}},
        {"kind": "tool_call", "name": "wind", "arguments_text": "{\n", "arguments_error": "ends too early"},
        {"kind": "tool_call", "name": "rain", "arguments_text": "{"},
        {"kind": "tool_result", "name": "search", "text": "found\u0007"},
        {"kind": "refusal", "text": "I will not."},
        {"kind": "reasoning", "text": "hidden here"},
        {"kind": "file", "media_type": "image/png", "data": "iVBORw==", "size": 4},
    ],
    "response": {"response_id": "resp_1", "request_id": None, "model": None},
    "raw": {"count": 3},
    "answered_by": "simulator/echo",
    # As an API of the version before says it, and as one of this version does.
    "attempts": [
        {"number": 2, "reason": "worker_lost", "model": "lorem", "provider": "simulator"},
        {"number": 3, "reason": "fallback", "model": "simulator/echo", "provider": "simulator"},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 99},
    "cost": None,
    "finish_reason": "stop",
    "last_event_id": "1000-7",
}


def run(run_python: RunPython, api: ScriptedApi, *arguments: str) -> tuple[int, str, str]:
    process = run_python("-m", "midstream", *arguments, MIDSTREAM_URL=api.url, PYTHONIOENCODING="utf-8")
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_show(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, SNAPSHOT))
    code, out, _ = run(run_python, scripted_api, "show", "gen_abc")
    assert code == 0
    assert str(SNAPSHOT["text"]) in out
    for told in (
        "gen_abc",
        "completed",
        "2 (worker_lost) simulator/lorem\n",
        "3 (fallback) simulator/echo\n",
        "answered by    simulator/echo\n",
        "raw events     3\n",
        "output_tokens 99",
        'tool call weather {"city": "Kö',
        "tool call wind {",
        "(ends too early)",
        "tool call rain { (not complete)",
        "tool result search found",
        "refusal I will not.",
        "file image/png, 4 bytes",
        "no JSON",
        "response_id resp_1",
        "1000-7",
    ):
        assert told in out
    assert "cost" not in out
    assert not any(hidden in out for hidden in ("hidden here", "request_id")), out
    assert "\u0007" not in out
    assert scripted_api.received[0].path == "/v1/generations/gen_abc"


def test_show_json_is_the_snapshot(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, SNAPSHOT))
    code, out, _ = run(run_python, scripted_api, "show", "gen_abc", "--json")
    assert code == 0
    assert json.loads(out) == SNAPSHOT


def test_list(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    ids = [f"gen_{letter * 32}" for letter in "abc"]
    data = [{"id": one, "state": "running", "model": "simulator/clock?deltas=500", "created": "x"} for one in ids]
    page = {"data": data, "next": ids[-1]}
    scripted_api.answers.append(Answer(200, page))
    code, out, err = run(run_python, scripted_api, "list", "--limit", "3", "--before", "gen_z")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["ID", *ids]
    assert f"midstream list --before {ids[-1]} --url {scripted_api.url}\n" in err
    assert scripted_api.received[0].path == "/v1/generations?limit=3&before=gen_z"
    scripted_api.answers.append(Answer(200, page))
    _, out, _ = run(run_python, scripted_api, "list", "--json")
    assert [json.loads(line) for line in out.splitlines()] == data


def test_list_asks_for_some_only(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    filters = ("--state", "failed", "--state=running", "--metadata", "user=a b")
    scripted_api.answers.append(Answer(200, {"data": [], "next": "1-gen_z"}))
    code, _, err = run(run_python, scripted_api, "list", *filters)
    assert code == 0
    asked = "/v1/generations?limit=20&state=failed&state=running&metadata.user=a+b"
    assert scripted_api.received[0].path.replace("%20", "+") == asked
    assert "list --before 1-gen_z --state=failed --state=running '--metadata=user=a b' --url" in err
    for wrong in (("--state", "done"), ("--metadata", "user"), ("--metadata", "=x")):
        code, _, err = run(run_python, scripted_api, "list", *wrong)
        assert (code, wrong[0] in err) == (2, True)


def test_cancel_prints_the_state(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, {"id": "gen_abc", "state": "completed"}))
    assert run(run_python, scripted_api, "cancel", "gen_abc") == (0, "completed\n", "")
    assert [(got.method, got.path) for got in scripted_api.received] == [("POST", "/v1/generations/gen_abc/cancel")]


@pytest.mark.parametrize("command", ["show", "cancel"])
@pytest.mark.parametrize(("status", "code"), [(404, 3), (410, 3), (401, 4), (422, 2)])
def test_exit_codes(scripted_api: ScriptedApi, run_python: RunPython, command: str, status: int, code: int) -> None:
    scripted_api.answers.append(Answer(status, {"title": "told"}))
    got, out, err = run(run_python, scripted_api, command, "gen_abc")
    assert (got, out) == (code, "")
    assert "told" in err
