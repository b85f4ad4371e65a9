"""`midstream usage` as a real process against a real HTTP server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.midstream.conftest import RunPython
from tests.midstream.scripted_api import Answer, ScriptedApi


def line(**of: Any) -> dict[str, Any]:
    tokens = {"input_tokens": 1200, "output_tokens": 340, "cached_tokens": 56, "reasoning_tokens": 7}
    generations = {"completed": 5, "failed": 4, "cancelled": 3, "deleted": 2, "cached": 1}
    cost = [{"amount": "0.000123", "currency": "USD"}]
    speed = {"mean_time_to_first_token_ms": 843.2, "mean_tokens_per_second": 61.8}
    return {"generations": generations, "usage": tokens, "cost": cost, "unpriced": 0} | speed | of


def _slow(total: dict[str, Any]) -> dict[str, Any]:
    """As an API of an earlier version says it, or where no time is known."""
    return {name: value for name, value in total.items() if not name.startswith("mean_")}


ANSWER = {
    "from": "2026-01-01",
    "to": "2026-01-31",
    "by": "model",
    "data": [line(model="openai/[bold]gpt"), _slow(line(model="mine/\x1b[31mred", cost=[], unpriced=5))],
    "total": line(unpriced=5),
}


def run(run_python: RunPython, api: ScriptedApi, *arguments: str) -> tuple[int, str, str]:
    process = run_python("-m", "midstream", "usage", *arguments, MIDSTREAM_URL=api.url, PYTHONIOENCODING="utf-8")
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_a_table(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, ANSWER))
    code, out, _ = run(run_python, scripted_api, "--from", "2026-01-01", "--to", "2026-01-31")
    assert code == 0
    heading, first, second, total = (row.split() for row in out.splitlines())
    assert heading == [
        "MODEL", "COMPLETED", "FAILED", "CANCELLED", "DELETED", "INPUT", "CACHED", "OUTPUT", "REASONING",
        "FIRST-MS", "TOKENS/S", "COST",
    ]  # fmt: skip
    numbers = ["5", "4", "3", "2", "1200", "56", "340", "7"]
    assert first == ["openai/[bold]gpt", *numbers, "843.2", "61.8", "0.000123", "USD"]
    assert second == ["mine/\u241b[31mred", *numbers, "-", "-", "-+"]
    assert total == ["2026-01-01", "to", "2026-01-31", *numbers, "843.2", "61.8", "0.000123", "USD+"]
    assert scripted_api.received[0].path == "/v1/usage?by=model&from=2026-01-01&to=2026-01-31"


def test_by_day_as_json(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, ANSWER))
    code, out, _ = run(run_python, scripted_api, "--by", "day", "--json")
    assert (code, json.loads(out)) == (0, ANSWER)
    assert scripted_api.received[0].path == "/v1/usage?by=day"


@pytest.mark.parametrize(("status", "code"), [(422, 2), (401, 4)])
def test_exit_codes(scripted_api: ScriptedApi, run_python: RunPython, status: int, code: int) -> None:
    scripted_api.answers.append(Answer(status, {"title": "told"}))
    got, out, err = run(run_python, scripted_api)
    assert (got, out) == (code, "")
    assert "told" in err


def test_what_is_no_choice_is_not_sent(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    code, _, _ = run(run_python, scripted_api, "--by", "hour")
    assert code == 2
    assert scripted_api.received == []


def test_an_admin_sees_all_owners_too(scripted_api: ScriptedApi, run_python: RunPython) -> None:
    scripted_api.answers.append(Answer(200, ANSWER | {"owners": [line(owner="ann"), line(owner="bob")]}))
    code, out, _ = run(run_python, scripted_api, "--owner", "*")
    assert code == 0
    of_owners = out.partition("\n\n")[2].splitlines()
    assert [row.split()[0] for row in of_owners] == ["OWNER", "ann", "bob"]
    assert scripted_api.received[0].path == "/v1/usage?by=model&owner=%2A"
