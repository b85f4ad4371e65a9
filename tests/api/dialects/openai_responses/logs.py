"""Logs of all kinds, and what the dialect makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from api.dialects.openai_responses.answer import answer
from api.dialects.openai_responses.events import OpenAIResponsesDialect
from api.viewing.dialect import Subject
from shared.log import events as log
from shared.log.entry import Entry, RawEntry
from shared.log.events import EventId
from shared.log.snapshots import Snapshot

TAIL = "a" * 32
TOKEN = 1_700_000_100_000


def subject(**echo: Any) -> Subject:
    """A generation that was asked for in this dialect."""
    return Subject(id=f"gen_{TAIL}", created_ms=1_700_000_000_123, model="gpt-5", dialect="openai-responses", echo=echo)


def attempt(number: int = 1, *, continues: bool = False) -> log.Attempt:
    return log.Attempt(number=number, reason="new", model="gpt-5-mini", provider="openai", continues=continues)


def text(part: int, *deltas: str, **end: Any) -> list[log.Event]:
    """A whole text."""
    return whole(log.Part(part=part, kind="text"), *deltas, **end)


def call(part: int, *deltas: str, name: str = "look", **end: Any) -> list[log.Event]:
    """A whole call of the caller's function."""
    begun = log.Part(part=part, kind="tool_call", call_id=f"call_{part}", name=name, executor="client")
    return whole(begun, *deltas, **end)


def whole(begun: log.Part, *deltas: str, **end: Any) -> list[log.Event]:
    """A part from its beginning to its end."""
    grown = [log.Delta(part=begun.part, kind=begun.kind, delta=delta) for delta in deltas]
    return [begun, *grown, log.PartEnd(part=begun.part, **end)]


def completed(**fields: Any) -> log.Completed:
    return log.Completed(**{"finish_reason": "stop", "t": 5000, **fields})


def entries(events: Sequence[log.Event]) -> list[RawEntry]:
    """The events as they stand in a log."""
    raw, token, seq = [], TOKEN, 0
    for event in events:
        if isinstance(event, log.Attempt):
            token, seq = token + 1000, 0
        raw.append(Entry(EventId(token, seq), event.type, log.encode(event)).raw)
        seq += 1
    return raw


def frames(of: Subject, events: Sequence[log.Event]) -> list[bytes]:
    """All frames of a log."""
    framer = OpenAIResponsesDialect().framer(of)
    return [*framer.opening(), *(one for entry in entries(events) for one in framer.frames(entry))]


def told(of: Subject, events: Sequence[log.Event]) -> list[dict[str, Any]]:
    """The data of all frames of a log."""
    return [json.loads(one.split(b"\ndata: ", 1)[1]) for one in frames(of, events)]


def types(of: Subject, events: Sequence[log.Event]) -> list[str]:
    """The types of all events of a log, without what each begins with."""
    return [one["type"].removeprefix("response.") for one in told(of, events)]


def answered(of: Subject, events: Sequence[log.Event]) -> dict[str, Any]:
    """The answer of a log that is not streamed."""
    snapshot = Snapshot()
    for entry in entries(events):
        snapshot.apply(*Entry.read(entry))
    return answer(of, snapshot)


WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ARGUMENTS = st.one_of(st.sampled_from(["{", "}", '{"a":', "1}", "{}", " "]), WORDS)
"""Pieces of arguments, which are now and then whole before their part ends."""
KINDS = ("text", "text", "reasoning", "refusal", "tool_call", "hosted", "result", "file")
CITATIONS = (
    {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
    {"type": "web_search_result_location", "url": "https://b.example", "title": None, "cited_text": "x"},
    {"type": "char_location", "document_index": 0},
)
LOGPROBS = [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -1.0}]}]


def begun(kind: Any, index: int, item: int) -> log.Part:
    """The beginning of a part of one of KINDS; `item` is the provider's number of its item."""
    match kind:
        case "tool_call":
            return log.Part(part=index, kind="tool_call", call_id=f"call_{index}", name="look", executor="client")
        case "hosted":
            name = ("web_search", "file_search", "code_interpreter", "image_generation", "other")[item % 5]
            said: dict[str, Any] = {"call_id": f"item_{item}", "item_id": f"item_{item}", "executor": "provider"}
            return log.Part(part=index, kind="tool_call", name=name, **said)
        case "result":
            said = {"call_id": f"item_{item}", "name": "file_search", "executor": "provider"}
            return log.Part(part=index, kind="tool_result", **said)
        case "file":
            media_type = "image/png" if item % 2 else "application/pdf"
            return log.Part(part=index, kind="file", item_id=f"item_{item}", media_type=media_type)
        case "reasoning":
            return log.Part(part=index, kind="reasoning", item_id=f"rs_{item}", summary=True)
    return log.Part(part=index, kind=kind)


@st.composite
def attempts(draw: st.DrawFn, *, whole: bool, kinds: Sequence[str] = KINDS, usual: bool = False) -> list[log.Event]:
    """The parts of an attempt, several of which may be open at once; with `whole` all end.

    In a `usual` one these are calls only.
    """
    said: list[log.Event] = []
    open_parts: list[log.Part] = []
    left = [begun(draw(st.sampled_from(kinds)), at, draw(st.integers(0, 3))) for at in range(draw(st.integers(0, 5)))]
    while left or open_parts:
        step = draw(st.integers(0, 4))
        free = not usual or all(one.kind == "tool_call" for one in [*open_parts, *left[:1]])
        if left and ((step == 0 and free) or not open_parts):
            open_parts.append(left.pop(0))
            said.append(open_parts[-1])
            continue
        one = draw(st.sampled_from(open_parts))
        if step <= 1:
            open_parts.remove(one)
            said.append(log.PartEnd(part=one.part, **draw(st.sampled_from(sealings(one)))))
        elif step == 2 and one.kind == "text":
            said.append(log.Annotation(part=one.part, fields=dict(draw(st.sampled_from(CITATIONS)))))
        elif step == 3 and one.kind == "text":
            said.append(log.Delta(part=one.part, kind="text", delta=draw(WORDS), logprobs=LOGPROBS))
        else:
            words = ARGUMENTS if one.kind == "tool_call" and not usual else WORDS
            said.append(log.Delta(part=one.part, kind=one.kind, delta=draw(words)))
        if not whole and draw(st.integers(0, 9)) == 0:
            break
    return said


def sealings(part: log.Part) -> list[dict[str, Any]]:
    """What the end of a part may have."""
    if part.kind == "reasoning":
        return [{}, {"encrypted": "gAAA.=", "provider": "openai"}, {"signature": "c2ln", "provider": "anthropic"}]
    if part.kind == "text" or (part.kind == "tool_call" and part.executor == "client"):
        return [{}, {"signature": "c2ln", "provider": "gemini"}]
    return [{}]


ENDS: tuple[log.End, ...] = (
    completed(usage=log.Usage(input_tokens=9, output_tokens=4, cached_tokens=3, reasoning_tokens=1)),
    completed(finish_reason="tool_calls"),
    completed(finish_reason="length"),
    completed(finish_reason="content_filter"),
    completed(finish_reason="paused"),
    log.Failed(code="rate_limit", message="Later.", retryable=True),
    log.Failed(code="connection", message="Gone.", retryable=True),
    log.Cancelled(),
)


RESUMED = ("text", "reasoning", "refusal", "tool_call")


@st.composite
def logs(draw: st.DrawFn) -> list[log.Event]:
    """Logs of up to three attempts, which go on or start over, with an end of any kind, or none."""
    events: list[log.Event] = []
    parts: list[log.Part] = []
    count = draw(st.integers(0, 3))
    for number in range(1, count + 1):
        last = number == count
        continues = number > 1 and draw(st.booleans())
        events.append(attempt(number, continues=continues))
        if draw(st.booleans()):
            events.append(log.Response(service_tier=draw(st.sampled_from(["flex", "standard"]))))
        said = draw(attempts(whole=last))
        if continues and parts and draw(st.booleans()):
            said = resuming(draw(st.sampled_from(parts)), said)
        for event in said:
            if isinstance(event, log.Part) and event.kind == "tool_call" and event.resumes is not True:
                event.call_id = f"{event.call_id}_{number}"
                if event.item_id is UNSET:
                    # By the id of its item an attempt goes on in a call, and not in another one of the same kind.
                    event.item_id = f"fc_{event.part}_{number}"
        parts = [event for event in said if isinstance(event, log.Part) and event.kind in RESUMED]
        events += said
        if draw(st.booleans()):
            events.append(log.UsageReport(usage=log.Usage(input_tokens=number, output_tokens=2)))
    end = draw(st.sampled_from((*ENDS, None)))
    return events if end is None else [*events, end]


def resuming(part: log.Part, said: list[log.Event]) -> list[log.Event]:
    """The parts of an attempt behind one that goes on where another broke off."""
    moved = [log.decode(event.type, log.encode(event)) for event in said]
    for event in moved:
        if hasattr(event, "part"):
            event.part += 1
    first = log.decode("part", log.encode(part))
    assert isinstance(first, log.Part)
    first.part, first.resumes = 0, True
    return [first, log.Delta(part=0, kind=part.kind, delta="more"), log.PartEnd(part=0), *moved]
