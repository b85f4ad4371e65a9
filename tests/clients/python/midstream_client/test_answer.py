"""A viewer's fold against the server's own, and what only a viewer keeps."""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from api.schemas.parts import fields_of
from midstream_client import Answer, Event
from shared.log import events
from shared.log.events import EventId, encode
from shared.log.snapshots import Snapshot

KINDS: st.SearchStrategy[events.PartKind] = st.sampled_from(get_args(events.PartKind))
TEXTS = st.sampled_from(["", "a", "wörld 🌍", "{", '{"a": 1}', "}", "NaN", "QUJD", "QQ=="])
ITEMS = st.sampled_from(["i", "j"])


@st.composite
def logs(draw: st.DrawFn) -> list[events.Event]:
    """A log as a worker may write it: parts that overlap, attempts that start over or go on, and perhaps an end."""
    found: list[events.Event] = []
    open_before: set[tuple[str, str]] = set()
    for number in range(1, draw(st.integers(1, 3)) + 1):
        continues = number > 1 and draw(st.booleans())
        found.append(events.Attempt(number=number, reason="new", model="m", provider="p", continues=continues))
        # What broke off can be resumed, once; nothing is added to what has ended.
        resumable = open_before if continues else set()
        parts: list[tuple[events.PartKind, str]] = []
        open_ones: list[int] = []
        for _ in range(draw(st.integers(0, 8))):
            if not open_ones or draw(st.integers(0, 3)) == 0:
                kind, item = draw(KINDS), draw(ITEMS)
                if (kind, item) in parts:
                    continue
                part = events.Part(part=len(parts), kind=kind, item_id=item, call_id="c", name="f")
                part.resumes = (kind, item) in resumable and draw(st.booleans())
                open_ones.append(len(parts))
                parts.append((kind, item))
                found.append(part)
                continue
            place = draw(st.sampled_from(open_ones))
            match draw(st.integers(0, 9)):
                case 0:
                    found.append(events.PartEnd(part=place, signature="s", provider="anthropic"))
                    open_ones.remove(place)
                case 1:
                    found.append(events.Annotation(part=place, fields={"url": "u"}, protocol="anthropic"))
                case 2:
                    found.append(events.Response(response_id=draw(ITEMS), model="m-1"))
                case 3:
                    found.append(events.UsageReport(usage=events.Usage(output_tokens=draw(st.integers(0, 9)))))
                case _:
                    found.append(events.Delta(part=place, kind=parts[place][0], delta=draw(TEXTS)))
        open_before = (resumable - set(parts)) | {parts[place] for place in open_ones}
    match draw(st.integers(0, 3)):
        case 0:
            found.append(events.Completed(finish_reason="stop", usage=events.Usage(output_tokens=7)))
        case 1:
            found.append(events.Failed(code="connection", message="lost", retryable=True))
    return found


def applied(answer: Answer, said: list[events.Event]) -> Answer:
    for event in said:
        answer.apply(Event("7-0", event.type, json.loads(encode(event))))
    return answer


def snapshot_of(said: list[events.Event]) -> dict[str, Any]:
    """What the server's own fold makes of it, as JSON."""
    snapshot = Snapshot()
    for seq, event in enumerate(said):
        snapshot.apply(EventId(7, seq), event.type, encode(event))
    over = snapshot.end is not None
    state = "completed" if isinstance(snapshot.end, events.Completed) else "failed" if over else "running"
    parts = [fields_of(part, over=over) for part in snapshot.parts]
    found: dict[str, Any] = json.loads(json.dumps({"state": state, "text": snapshot.text, "parts": parts}))
    return found


def comparable(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Why arguments cannot be parsed is said in other words."""
    return [part | ({"arguments_error": True} if part.get("arguments_error") else {}) for part in parts]


@given(said=logs())
def test_it_adds_up_to_what_the_server_adds_up(said: list[events.Event]) -> None:
    answer, wanted = applied(Answer(), said), snapshot_of(said)
    assert comparable(answer.parts) == comparable(wanted["parts"])
    assert (answer.text, answer.state) == (wanted["text"], wanted["state"])


@given(said=logs(), cut=st.integers(0, 30))
def test_it_goes_on_where_a_snapshot_was_taken(said: list[events.Event], cut: int) -> None:
    cut = max(1, cut % (len(said) + 1))
    answer = applied(Answer.of_snapshot(snapshot_of(said[:cut])), said[cut:])
    assert comparable(answer.parts) == comparable(applied(Answer(), said).parts)
    assert answer.state == snapshot_of(said)["state"]


def event(type: str, **data: Any) -> Event:
    return Event("7-0", type, data)


def test_what_starts_over_is_kept_with_its_reason() -> None:
    answer = Answer()
    answer.apply(Event(None, "queued", {"position": 3}))
    assert (answer.state, answer.position) == ("queued", 3)
    answer.apply(event("attempt", number=1, reason="new", continues=False))
    assert (answer.state, answer.position, answer.superseded) == ("running", None, [])
    answer.apply(event("part", part=0, kind="text"))
    answer.apply(event("delta", part=0, kind="text", delta="old"))
    answer.apply(event("usage", usage={"output_tokens": 1}))
    answer.apply(event("attempt", number=2, reason="worker_lost", continues=False))
    assert (answer.text, answer.usage) == ("", None)
    ((reason, text, parts),) = answer.superseded
    assert (reason, text, parts[0]["complete"]) == ("worker_lost", "old", False)
    assert [attempt["number"] for attempt in answer.attempts] == [1, 2]


def test_how_it_ended() -> None:
    answer = Answer()
    answer.apply(event("failed", code="connection", message="lost", retryable=True, t=5, usage=None, cost=None))
    assert answer.error == {"code": "connection", "message": "lost", "retryable": True}
    assert answer.ended
    snapshot = {"state": "failed", "error": answer.error, "parts": []}
    assert Answer.of_snapshot(snapshot).error == answer.error
    completed = Answer()
    completed.apply(event("completed", finish_reason="stop", response_id="r", usage={"output_tokens": 1}, cost=None))
    assert (completed.error, completed.usage, completed.response) == (None, {"output_tokens": 1}, {"response_id": "r"})


def test_a_part_that_began_before_the_cursor_is_known_by_its_deltas() -> None:
    answer = Answer()
    answer.apply(event("delta", part=2, kind="text", delta="rest"))
    assert [(part["kind"], part["text"], part["part"]) for part in answer.parts] == [("text", "rest", 2)]
