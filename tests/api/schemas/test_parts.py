"""Structured results: what a snapshot makes of a log. docs/protocol.md shows the same."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from api.schemas import generation
from api.schemas.parts import PartAnswer
from shared.log import events
from shared.log.events import Completed, Delta, Event, EventId, Part, PartEnd
from shared.log.snapshots import Snapshot
from shared.record import Record, Shown, shown_of
from tests.harness.repository import ROOT

PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
SECTION = PROTOCOL.partition("### The snapshot")[2].partition("\n### ")[0]
EXAMPLES = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)]
ATTEMPT = events.Attempt(number=1, reason="new", model="m", provider="p")
END = Completed(finish_reason="stop")


def part(kind: events.PartKind, *deltas: str, end: PartEnd | None = None, **fields: Any) -> list[Event]:
    """A part with the index 0, from its start to its end."""
    begun = Part(part=0, kind=kind, **fields)
    return [begun, *(Delta(part=0, kind=kind, delta=delta) for delta in deltas), end or PartEnd(part=0)]


def numbered(*parts: list[Event]) -> list[Event]:
    for index, one in enumerate(parts):
        for event in one:
            if isinstance(event, Part | Delta | PartEnd | events.Annotation):
                event.part = index
    return [event for one in parts for event in one]


def assembled(*said: Event, raw: bool = False, **request: Any) -> dict[str, Any]:
    """The snapshot's JSON after these events."""
    snapshot = Snapshot()
    for seq, event in enumerate((ATTEMPT, *said)):
        snapshot.apply(EventId(7, seq), event.type, events.encode(event))
    return told(recorded(**request), snapshot, raw=raw)


def told(record: Record, snapshot: Snapshot, *, raw: bool = False) -> dict[str, Any]:
    shown = msgspec.json.decode(record.shown or b"", type=Shown)
    answer = generation.snapshot(record, shown, snapshot, raw=raw).model_dump_json(by_alias=True, exclude_unset=True)
    value: dict[str, Any] = json.loads(answer)
    return value


def recorded(**request: Any) -> Record:
    body = {"model": "p/m", "messages": [{"role": "user", "content": "?"}], **request}
    return Record(
        id="gen_x", owner="", model="p/m", on_interrupt="restart", ttl_ms=1, fingerprint="",
        shown=msgspec.json.encode(shown_of(json.dumps(body).encode())),
        created_ms=0, state="running", attempts=1, seal=None, ended_ms=None, cancel_requested=False, failures=0,
        max_attempts=3, beside=False, pardons=0, choice=0,
    )  # fmt: skip


def in_ms(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


def test_the_transcript_makes_the_first_example() -> None:
    expected = EXAMPLES[0]
    snapshot = Snapshot()
    transcript = PROTOCOL.partition("\n## A transcript")[2].partition("\n## ")[0]
    for type, data, event_id in re.findall(r"^event: (\w+)\ndata: (.*)\nid: (\S+)$", transcript, re.MULTILINE):
        snapshot.apply(EventId.parse(event_id), type, data.encode())
    record = dataclasses.replace(
        recorded(),
        id=expected["id"],
        model=expected["model"],
        created_ms=in_ms(expected["created"]),
        ended_ms=in_ms(expected["ended"]),
    )
    assert told(record, snapshot) == expected


def test_each_kind_of_part_makes_the_second_example() -> None:
    document = '{"city": "Bonn", "rain": true}'
    cited = part("text", document)
    fields = {"type": "url_citation", "url": "https://example.org/"}
    cited.insert(2, events.Annotation(part=0, fields=fields, protocol="openai-responses"))
    server: dict[str, Any] = {"call_id": "srv_1", "name": "web_search", "executor": "provider"}
    got = assembled(
        events.Response(response_id="resp_0f31", request_id="req_77c2"),
        events.Response(model="gpt-5-mini-2025-08-07", service_tier="flex"),
        *numbered(
            part(
                "reasoning", "Look it ", "up.", item_id="rs_1", summary=True,
                end=PartEnd(part=0, signature="c2ln", provider="anthropic"),
            ),
            part("tool_call", '{"query": "ra', 'in Bonn"}', **server),
            part("tool_result", '[{"url": "https://example.org/"}]', result_type="web_search_tool_result", **server),
            cited,
            part("tool_call", "{'text': 'wet'}", call_id="call_2", name="note", executor="client"),
            part("file", "iVBO", "Rw==", media_type="image/png"),
            part("file", media_type="application/pdf", url="https://example.org/map.pdf"),
        ),
        events.Raw(protocol="openai-chat", data={"logprobs": None}),
        END,
        raw=True,
        response_format={"type": "json_object"},
    )  # fmt: skip
    assert {name: got[name] for name in EXAMPLES[1]} == EXAMPLES[1]


def test_what_is_said_beside_the_answer_makes_the_third_example() -> None:
    said = part("text", "No")
    delta = said[1]
    assert isinstance(delta, Delta)
    delta.logprobs = [{"token": "No", "logprob": -0.25, "bytes": [78, 111], "top_logprobs": []}]
    usage = events.Usage(
        900, 1, 0, 800, audio_input_tokens=40, cache_write_5m_tokens=300, cache_write_1h_tokens=500,
        server_tool_calls={"web_search_requests": 2},
    )  # fmt: skip
    names = events.Response(response_id="chatcmpl-1", model="gpt-5-mini", system_fingerprint="fp_1")
    end = Completed(finish_reason="content_filter", stop_sequence="END", refusal_category="bio", usage=usage)
    got = assembled(names, events.Response(service_tier="default"), *said, end)
    assert {name: got[name] for name in EXAMPLES[2]} == EXAMPLES[2]


def test_a_failure_says_what_the_provider_answered() -> None:
    plain: dict[str, Any] = {"code": "overloaded", "message": "m", "retryable": True}
    assert assembled(events.Failed(**plain))["error"] == plain
    answered: dict[str, Any] = {"status": 529, "retry_after_ms": 1500}
    assert assembled(events.Failed(**plain, **answered))["error"] == plain | answered


def test_what_nobody_says_is_absent() -> None:
    got = assembled(*part("tool_result", "x", is_error=True), END)
    assert got["parts"][0]["is_error"] is True
    assert "logprobs" not in got["parts"][0]
    assert {"stop_sequence", "refusal_category"} & got.keys() == set()


def test_each_field_is_told() -> None:
    for model in (generation.GenerationSnapshot, generation.ResponseAnswer, generation.RawAnswer):
        for name, field in model.model_fields.items():
            assert f'"{field.alias or name}"' in SECTION, name
    events_told = PROTOCOL.partition("| `attempt` |")[2].partition("| `raw` |")[0]
    assert all(f"`{name}`" in SECTION + events_told for name in PartAnswer.model_fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("[1, 1.50, 12345678901234567890]", [1, 1.5, 12345678901234567890]),
        ("null", None),
        ('"\\ud83d\\ude00"', "😀"),
        ("[" * 64 + "]" * 64, json.loads("[" * 64 + "]" * 64)),
    ],
)
def test_arguments_are_parsed(text: str, expected: Any) -> None:
    (got,) = assembled(*part("tool_call", text, call_id="c", name="f"))["parts"]
    assert got["arguments"] == expected
    assert not {"arguments_text", "arguments_error"} & got.keys()


@pytest.mark.parametrize(
    "text", ["{", "{} {}", "NaN", "1e999", '"\\ud800"', "```json\n{}\n```", "[" * 65 + "]" * 65, '{"a":' * 5000 + "1"]
)
def test_what_is_no_json_stays_as_it_came(text: str) -> None:
    (got,) = assembled(*part("tool_call", text, call_id="c", name="f"))["parts"]
    assert (got["arguments"], got["arguments_text"]) == (None, text)
    assert got["arguments_error"].startswith("is ")
    assert ("surrogate" in got["arguments_error"]) is ("ud800" in text)
    assert assembled(*part("text", text), END, response_format={"type": "json_object"})["json"] is None


def test_arguments_that_have_not_ended() -> None:
    begun = part("tool_call", '{"a": 1}', call_id="c", name="f")[:-1]
    (running,) = assembled(*begun)["parts"]
    assert (running["arguments"], running["arguments_text"], running["complete"]) == (None, '{"a": 1}', False)
    assert "arguments_error" not in running
    (over,) = assembled(*begun, events.Cancelled())["parts"]
    assert over["arguments_error"] == "broke off before its end"


SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
LENGTH = Completed(finish_reason="length")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([*part("text", "4", "2")], (None, None)),
        ([*part("text", "4", "2"), END], (42, None)),
        ([*part("text", '{"a"', ": 1}"), LENGTH], ({"a": 1}, None)),
        ([*part("text", "42"), LENGTH], (None, "may be cut; the answer ended for the reason length")),
        ([*part("text", "[42"), LENGTH], (None, "is not JSON: ends too early; the answer ended for the reason length")),
        ([*part("text", "Sure! 42"), END], (None, "is not JSON: invalid character (byte 0)")),
        ([*part("text", "42"), events.Cancelled()], (None, "the answer broke off before its end")),
        ([*part("refusal", "No."), END], (None, "the model refused; see the refusal")),
        ([*part("tool_call", "{}"), Completed(finish_reason="tool_calls")], (None, "there is no text")),
    ],
)  # fmt: skip
def test_the_document_that_was_asked_for(said: list[Event], expected: tuple[Any, str | None]) -> None:
    got = assembled(*said, response_format=SCHEMA)
    assert (got["json"], got["json_error"]) == expected
    others: list[dict[str, Any]] = [{}, {"response_format": {"type": "text"}}]
    for unasked in others:
        got = assembled(*said, **unasked)
        assert (got["json"], got["json_error"]) == (None, None)
