"""The judges themselves: what must not pass does not, and a recorded request has nobody's text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.judges.sdks.behaviours import BEHAVIOURS
from tests.judges.sdks.clients import CLIENTS
from tests.judges.sdks.judging import Cell
from tests.judges.sdks.matrix import BEGIN, END, EmptyCellError, table, written_anew
from tests.judges.sdks.neutral import Neutral
from tests.judges.sdks.record import RECORDED
from tests.judges.sdks.row import Row, answer_of

MODEL = "lorem?deltas=6&rate=0&seed=1"
TEXT = answer_of(MODEL).text("text")
WELL = {"text": TEXT, "reasoning": "", "calls": [], "ended": True, "error": None, "finish": "stop"}
WELL |= {"usage": [1, 6], "model": MODEL, "id": "chatcmpl-1"}
RAISED = {"class": "RateLimitError", "classes": ["RateLimitError", "APIError"], "status": 429, "words": ""}


def row() -> Row:
    """One that complains, and asks nobody."""
    unused: Any = None
    return Row(CLIENTS[0], "chat", unused, unused)


def test_a_whole_answer_is_well() -> None:
    judged = row()
    judged.whole(WELL, MODEL)
    assert judged.complaints == []


@pytest.mark.parametrize(
    "other",
    [
        {"text": TEXT[:-1]},
        {"text": TEXT + TEXT},
        {"reasoning": "Hm."},
        {"calls": [["look_up", {}]]},
        {"ended": False},
        {"error": RAISED},
        {"finish": "length"},
        {"usage": [1, 5]},
        {"usage": None},
        {"model": "openai/lorem"},
        {"id": "gen_1"},
        {"agrees": False},
    ],
    ids=str,
)
def test_what_differs_is_complained_of(other: dict[str, Any]) -> None:
    judged = row()
    judged.whole(WELL | other, MODEL)
    assert judged.complaints


@pytest.mark.parametrize("other", [{}, {"error": RAISED, "ended": True}, {"error": RAISED, "text": TEXT}], ids=str)
def test_what_looks_finished_is_not_broken(other: dict[str, Any]) -> None:
    judged = row()
    judged.broken(WELL | {"ended": False, "text": TEXT[:9]} | other, MODEL)
    assert judged.complaints


def test_what_raised_in_the_middle_is_broken() -> None:
    judged = row()
    judged.broken(WELL | {"ended": False, "text": TEXT[:9], "error": RAISED}, MODEL)
    assert judged.complaints == []


@pytest.mark.parametrize(("status", "kind"), [(429, "BadRequestError"), (400, "RateLimitError")])
def test_an_sdk_raises_the_class_and_has_the_status(status: int, kind: str) -> None:
    judged = row()
    judged.refused(WELL | {"error": RAISED}, status, kind)
    assert judged.complaints


def test_the_table_has_a_row_for_each_client_and_a_note_for_what_one_lacks() -> None:
    cells = [Cell("a", "chat", behaviour) for behaviour in BEHAVIOURS]
    cells[1].lacks = "has none"
    lines = table(cells, [("a", "chat")]).splitlines()
    assert lines[2].startswith("| a | chat | yes | none (1) | yes |")
    assert "1. The client has none." in lines


def test_an_empty_cell_is_no_table() -> None:
    cells = [Cell("a", "chat", behaviour) for behaviour in list(BEHAVIOURS)[1:]]
    with pytest.raises(EmptyCellError, match="a / chat / create"):
        table(cells, [("a", "chat")])


def test_a_cell_that_fails_is_no_table() -> None:
    cells = [Cell("a", "chat", behaviour) for behaviour in BEHAVIOURS]
    cells[0].complaints = ["expected this, came that"]
    with pytest.raises(EmptyCellError, match="a / chat / create: expected this, came that"):
        table(cells, [("a", "chat")])


def test_a_document_gets_the_new_table_in_the_old_ones_place() -> None:
    assert written_anew(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"
    with pytest.raises(ValueError, match="no table"):
        written_anew("a\n", "new\n")


def test_contents_leave_a_request_and_its_shape_stays() -> None:
    secret = "Anna lives in Bern"
    body = {
        "model": "gpt-5",
        "input": [{"type": "function_call", "call_id": secret, "name": secret, "arguments": secret}],
        "instructions": secret,
        "tools": [{"type": "function", "name": secret, "parameters": {"properties": {secret: {"enum": [secret]}}}}],
        "store": False,
    }
    kept = Neutral().request(body)
    assert secret not in json.dumps(kept)
    assert kept["tools"][0]["name"] == kept["input"][0]["name"]
    assert kept["tools"][0]["parameters"] == {"properties": {"field_1": {"enum": ["value_1"]}}}
    assert (kept["model"], kept["store"], kept["input"][0]["type"]) == ("gpt-5", False, "function_call")


@pytest.mark.parametrize("name", ["codex", "claude_code"])
def test_what_was_recorded_is_neutral(name: str) -> None:
    document = json.loads((RECORDED / f"{name}.json").read_text())
    assert len(document["requests"]) >= 2
    for request in document["requests"]:
        again = Neutral().request(request["body"])
        assert json.dumps(again, sort_keys=True).count("Some text.") == json.dumps(request["body"]).count("Some text.")
