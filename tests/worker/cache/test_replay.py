"""An answer that is told again is the same answer, whatever attempts it took."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from shared.log.events import (
    Annotation,
    AnyEvent,
    Attempt,
    Cancelled,
    Completed,
    Cost,
    Delta,
    EventId,
    Failed,
    Part,
    PartEnd,
    Raw,
    Response,
    Usage,
    UsageReport,
    decode,
    encode,
)
from shared.log.snapshots import Snapshot
from worker.cache.replay import AnswerCopy
from worker.cache.source import SourceLostError

KINDS: Any = st.sampled_from(["text", "reasoning", "tool_call"])
BEGUN = Attempt(number=1, reason="new", model="m", provider="p")


@st.composite
def answers(draw: st.DrawFn) -> list[AnyEvent]:
    """The events after an attempt's first: parts that overlap, cut at any place, and continued."""
    events: list[AnyEvent] = []
    broken_off: list[Part] = []
    ids = (f"item_{n}" for n in count())
    for number in range(draw(st.integers(1, 3))):
        if number:
            events.append(Attempt(number=number + 1, reason="worker_lost", model="m", provider="p", continues=True))
        places: list[Part] = []
        ended: set[int] = set()
        for part in broken_off:
            if draw(st.booleans()):
                places.append(Part(part=len(places), kind=part.kind, item_id=part.item_id, resumes=True))
                events.append(places[-1])
        for _ in range(draw(st.integers(0, 8))):
            alive = [part for part in places if part.part not in ended]
            step = draw(st.sampled_from(["part", "delta", "end", "other"]))
            if step == "part" or not alive:
                places.append(Part(part=len(places), kind=draw(KINDS), item_id=next(ids)))
                events.append(places[-1])
            elif step == "delta":
                part = draw(st.sampled_from(alive))
                events.append(
                    Delta(part=part.part, kind=part.kind, delta=draw(st.sampled_from(["a", "❤b"])), sequence_number=1)
                )
            elif step == "end":
                part = draw(st.sampled_from(alive))
                events.append(PartEnd(part=part.part, signature="s", provider="p"))
                ended.add(part.part)
            else:
                events.append(UsageReport(usage=Usage(output_tokens=draw(st.integers(0, 9)))))
                events.append(Response(response_id="r", request_id="q"))
        broken_off = [part for part in places if part.part not in ended]
    cost = draw(st.sampled_from([None, Cost("0.01", "EUR")]))
    return [*events, Completed(finish_reason="stop", usage=Usage(output_tokens=9), cost=cost)]


def folded(events: list[AnyEvent]) -> Snapshot:
    snapshot = Snapshot()
    for seq, event in enumerate(events):
        snapshot.apply(EventId(1, seq), event.type, encode(event))
    return snapshot


@given(answers())
def test_it_comes_to_the_same_and_costs_nothing(events: list[AnyEvent]) -> None:
    # As the log has them: AnswerCopy changes what it is given.
    logged = [decode(event.type, encode(event)) for event in events]
    answer_copy = AnswerCopy()
    told: list[Any] = [said for event in logged if (said := answer_copy.take(event)) is not None]
    original, copy = folded([BEGUN, *events]), folded([BEGUN, *told])
    assert copy.parts == original.parts
    assert (copy.usage, copy.response_id) == (original.usage, original.response_id)
    indexes = [event.part for event in told if isinstance(event, Part)]
    assert indexes == list(range(len(indexes)))
    assert all(event.resumes is UNSET for event in told if isinstance(event, Part))
    assert isinstance(original.end, Completed)
    assert isinstance(copy.end, Completed)
    assert copy.end.cost == Cost("0", original.end.cost.currency if original.end.cost else "USD")
    assert all(event.sequence_number is UNSET for event in told)


def test_what_the_providers_said_besides_is_kept_but_not_what_it_called_the_request() -> None:
    answer_copy = AnswerCopy()
    raw, note = Raw(protocol="x", data={"a": 1}), Annotation(part=0, fields={"url": "https://example.org/"})
    assert answer_copy.take(Part(part=0, kind="text")) is not None
    assert (answer_copy.take(raw), answer_copy.take(note)) == (raw, note)
    assert answer_copy.take(Response(request_id="q")) is None
    assert answer_copy.take(Response(request_id="q", model="m")) == Response(model="m")


@pytest.mark.parametrize("event", [BEGUN, Failed(code="x", message="", retryable=True), Cancelled()])
def test_what_is_no_answer_is_not_told_to_its_end(event: AnyEvent) -> None:
    with pytest.raises(SourceLostError):
        AnswerCopy().take(event)


def test_all_that_came_with_the_answer_is_told_again() -> None:
    answer_copy = AnswerCopy()
    weighed = Delta(part=0, kind="text", delta="a", logprobs=[{"token": "a", "logprob": -1}])
    told: list[AnyEvent] = [
        Response(system_fingerprint="fp", request_id="q"),
        Response(service_tier="flex"),
        Part(part=0, kind="text"),
        weighed,
        Annotation(part=0, fields={}, protocol="gemini"),
        Completed(finish_reason="stop", stop_sequence="END", usage=Usage(server_tool_calls={"x": 1})),
    ]
    logged = [decode(event.type, encode(event)) for event in told]
    again = [answer_copy.take(event) for event in logged]
    expected = [Response(system_fingerprint="fp"), *told[1:-1]]
    assert again[:-1] == expected
    assert isinstance(again[-1], Completed)
    assert (again[-1].stop_sequence, again[-1].usage) == ("END", Usage(server_tool_calls={"x": 1}))
    assert answer_copy.take(Response(request_id="q")) is None
