"""OpenAI Responses on the wire: numbered without a gap, and a response that is right at each moment."""

import json
from typing import Any

import pytest

from simulator.answer import compose
from simulator.responses_writer import FAILURE, ResponsesWriter
from simulator.script import parse_script
from tests.simulator.in_memory import request


def writer(model: str = "lorem?deltas=6", **fields: Any) -> ResponsesWriter:
    asked = request(model, **fields)
    return ResponsesWriter(asked, compose(parse_script(model), asked, interleave=False))


def events(data: bytes) -> list[dict[str, Any]]:
    """What a stream says; each event's name is its type."""
    found: list[dict[str, Any]] = []
    for block in data.split(b"\n\n")[:-1]:
        name, _, line = block.decode().partition("\ndata: ")
        found.append(json.loads(line))
        assert name == f"event: {found[-1]['type']}"
    return found


@pytest.mark.parametrize("model", ["lorem?deltas=6", "reasoning?deltas=9", "tools", "refusal", "lorem?deltas=0"])
@pytest.mark.parametrize("background", [False, True])
def test_events_are_numbered_without_a_gap_however_they_are_asked_for(model: str, background: bool) -> None:
    one, total = writer(model, background=background), len(writer(model)._answer.deltas)
    data = one.opening() + (one.begin() if background else b"")
    for n in range(total):
        data += one.deltas(n, n + 1)
    said = events(data + one.closing())
    assert [event["sequence_number"] for event in said] == list(range(len(said)))
    assert one.sequence == len(said)
    two = writer(model, background=background)
    whole = two.opening() + (two.begin() if background else b"") + two.deltas(0, total) + two.closing()
    assert [event["type"] for event in events(whole)] == [event["type"] for event in said]


def test_its_status_at_each_moment() -> None:
    one = writer(background=True)
    assert [event["type"] for event in events(one.opening())] == ["response.created", "response.queued"]
    assert one.response()["status"] == "queued"
    one.begin()
    one.deltas(0, 3)
    running = one.response()
    assert (running["status"], running["usage"], running["completed_at"]) == ("in_progress", None, None)
    assert running["output"][0]["status"] == "in_progress"
    one.deltas(3, 6)
    one.closing()
    ended = one.response()
    assert (ended["status"], ended["error"], ended["incomplete_details"]) == ("completed", None, None)
    assert ended["output"][0]["status"] == "completed"
    assert ended["completed_at"] >= ended["created_at"]


def test_a_limit_makes_it_incomplete() -> None:
    one = writer(max_tokens=2)
    one.opening()
    one.deltas(0, 2)
    one.closing()
    ended = one.response()
    assert (ended["status"], ended["completed_at"]) == ("incomplete", None)
    assert ended["incomplete_details"] == {"reason": "max_output_tokens"}
    assert ended["output"][0]["status"] == "incomplete"
    assert ended["usage"]["output_tokens"] == 2


def test_an_error_keeps_what_was_said() -> None:
    one = writer()
    one.opening()
    one.deltas(0, 2)
    error, failed = events(one.error())
    assert (error["type"], error["code"], failed["type"]) == ("error", FAILURE["code"], "response.failed")
    assert failed["response"]["error"] == FAILURE
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert failed["response"]["usage"] is None


def test_a_cancel_keeps_nothing() -> None:
    one = writer()
    one.opening()
    one.deltas(0, 2)
    (end,) = events(one.cancelled())
    assert (end["type"], end["response"]["status"], end["response"]["output"]) == ("response.failed", "cancelled", [])


def test_usage_counts_what_was_said_and_thought() -> None:
    one = writer("reasoning?deltas=9&cached=3", prompt_tokens=40)
    usage = json.loads(one.whole())["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (40, 9, 49)
    assert usage["input_tokens_details"]["cached_tokens"] == 3
    assert usage["output_tokens_details"]["reasoning_tokens"] == 3


def test_a_document_is_the_response_at_its_end() -> None:
    one = writer("tools")
    assert json.loads(one.whole()) == one.response()


def test_what_is_broken_is_no_json_and_has_a_number() -> None:
    one = writer()
    one.opening()
    broken = one.broken()
    assert broken.endswith(b"\n\n")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(broken.partition(b"data: ")[2])
    assert b'"sequence_number":%d' % one.sequence in broken


def test_extras_come_before_the_first_delta_and_with_the_first_text() -> None:
    one = writer("lorem?deltas=3&extras=1", include=("web_search_call.action.sources",))
    types = [event["type"].removeprefix("response.") for event in events(one.opening() + one.deltas(0, 3))]
    assert "web_search_call.completed" in types[: types.index("output_text.delta")]
    assert "simulator.note" in types
    types = [event["type"] for event in events(one.closing())]
    assert types.count("response.output_text.annotation.added") == 1
    assert [item["type"] for item in one.response()["output"]] == ["web_search_call", "message"]


@pytest.mark.parametrize("include", [(), ("reasoning.encrypted_content",)])
def test_reasoning_is_encrypted_for_who_asks(include: tuple[str, ...]) -> None:
    one = writer("reasoning?deltas=9", include=include)
    (reasoning, _) = json.loads(one.whole())["output"]
    assert ("encrypted_content" in reasoning) is bool(include)
    assert len(reasoning["summary"]) == 2
