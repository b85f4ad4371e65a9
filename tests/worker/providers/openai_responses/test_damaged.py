"""Good Responses streams, damaged as endpoints damage them: all that was said arrives, or the end is an honest failure.

Events are lost whose words later ones repeat, ids and places change, are shared or are missing, the end has another
name, scalars another type.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.log.events import Completed, Delta, Part, Raw, Usage
from tests.worker.providers.openai_responses.responses_stream import Script, output_text
from worker.providers.answer_decoder import AnswerDecoder
from worker.providers.answer_reading import read_end, read_event
from worker.providers.openai_responses.event import UNDERSTOOD, ResponsesEvent
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.openai_responses.whole_response import BEGINNINGS, ENDS
from worker.providers.provider import ProviderError, ProviderEvent

Event = dict[str, Any]
Damage = Callable[[list[Event], st.DataObject], list[Event]]

WORDS = st.text('ab 1\n😀\\"', min_size=1, max_size=9)
ARGUMENTS = st.dictionaries(st.sampled_from("ab"), st.one_of(st.integers(0, 9), WORDS), max_size=2).map(json.dumps)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """A good answer: messages, reasoning and calls, in pieces."""
    script = Script().begin()
    for number, kind in enumerate(draw(st.lists(st.sampled_from("mmrcc"), min_size=1, max_size=5))):
        cut = draw(st.integers(1, 5))
        if kind == "m":
            texts = draw(st.lists(WORDS, min_size=1, max_size=2))
            script.message(*(output_text(text) for text in texts), cut=cut, id=f"msg_{number}")
        elif kind == "r":
            script.reasoning(*draw(st.lists(WORDS, max_size=2)), cut=cut, id=f"rs_{number}")
        else:
            name, call_id = draw(st.sampled_from(["rain", "wind"])), f"call_{number}"
            script.call(name, draw(ARGUMENTS), id=f"fc_{number}", call_id=call_id, cut=cut)
    return script.end()


def events_of(script: Script) -> list[Event]:
    return [json.loads(event.partition(b"data: ")[2]) for event in script.events]


def body_of(events: list[Event]) -> bytes:
    return b"".join(
        event["bytes"]
        if "bytes" in event
        else b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )


Told = tuple[str, str, list[tuple[str, Any]], Usage | None]


def told(events: list[ProviderEvent]) -> Told:
    """What an answer says: text, reasoning, calls that can be run, and counts."""
    kinds: dict[int, Part] = {}
    said: dict[int, str] = {}
    for event in events:
        if isinstance(event, Part):
            kinds[event.part], said[event.part] = event, ""
        elif isinstance(event, Delta):
            said[event.part] += event.delta
    text, reasoning = (
        "".join(said[n] for n, part in kinds.items() if part.kind == kind) for kind in ("text", "reasoning")
    )
    calls = [(part, said[n]) for n, part in kinds.items() if part.kind == "tool_call"]
    assert all(part.executor == "client" and part.call_id for part, _ in calls)
    end = events[-1]
    assert isinstance(end, Completed)
    assert (end.finish_reason == "tool_calls") == bool(calls)
    made = sorted((part.name or "", json.dumps(json.loads(arguments or "{}"))) for part, arguments in calls)
    return text, reasoning, made, end.usage


def read(body: bytes) -> list[ProviderEvent]:
    """What is made of these bytes, whose connection then ends. Raises ProviderError."""
    reader, decoder, events = ResponsesReader("acme"), AnswerDecoder(), list[ProviderEvent]()
    for event in decoder.feed(body):
        read_event("acme", reader, event, events)
    if not reader.ended:
        read_end("acme", reader, decoder, events, silent=False)
    return events


def lose(events: list[Event], data: st.DataObject) -> list[Event]:
    """Loses events whose words the whole response repeats."""
    lost = data.draw(st.sets(st.integers(2, len(events) - 2))) if len(events) > 4 else set()
    return [event for number, event in enumerate(events) if number not in lost]


def lose_kinds(events: list[Event], data: st.DataObject) -> list[Event]:
    """Loses all events of some types, as endpoints that do not know them."""
    kinds = sorted({event["type"] for event in events[:-1]})
    lost = data.draw(st.sets(st.sampled_from(kinds)))
    return [event for event in events if event["type"] not in lost]


def lose_output(events: list[Event], _: st.DataObject) -> list[Event]:
    """The whole response does not repeat the answer."""
    events[-1]["response"]["output"] = []
    return events


def named(event: Event) -> list[tuple[Event, str]]:
    """Where an event has the id of an item."""
    found = [(event, "item_id")] if "item_id" in event else []
    found += [(event["item"], "id")] if "item" in event else []
    return found + [(item, "id") for item in (event.get("response") or {}).get("output", ())]


def rename(events: list[Event], data: st.DataObject) -> list[Event]:
    """Ids are others in each event, or in the end, missing, or the same for all."""
    how = data.draw(st.sampled_from(["each", "end", "none", "one", "empty", "null"]))
    fresh = count(100)
    for event in events:
        for place, field in named(event):
            if how == "none":
                place.pop(field, None)
            elif how != "end" or event is events[-1]:
                new = f"x{next(fresh)}"
                place[field] = {"each": new, "end": new, "one": "x", "empty": "", "null": None}[how]
    return events


def move(events: list[Event], data: st.DataObject) -> list[Event]:
    """Places in the output are missing, all the same, or do not begin at 0."""
    how = data.draw(st.sampled_from(["none", "shift", "null"]))
    for event in events:
        if "output_index" in event:
            event["output_index"] = event["output_index"] + 1 if how == "shift" else None
            if how == "none":
                del event["output_index"]
    return events


def renumber(events: list[Event], data: st.DataObject) -> list[Event]:
    """Contents are counted with each delta, from 1, or not at all."""
    how = data.draw(st.sampled_from(["deltas", "shift", "shift deltas", "none"]))
    number = count()
    for event in events:
        for field in ("content_index", "summary_index"):
            if field not in event:
                continue
            if how == "none":
                del event[field]
            elif how == "shift" or (how == "shift deltas" and event["type"].endswith("delta")):
                event[field] += 1
            elif how == "deltas" and event["type"].endswith("delta"):
                event[field] = next(number)
    return events


def retype(events: list[Event], data: st.DataObject) -> list[Event]:
    """Scalars have another type, and errors are there that say nothing."""
    for event in events:
        for field in ("output_index", "content_index", "summary_index", "sequence_number"):
            if isinstance(event.get(field), int):
                event[field] = data.draw(st.sampled_from([str, float, int]))(event[field])
        if (delta := event.get("delta")) and delta.isdigit() and str(int(delta)) == delta:
            event["delta"] = int(delta)
        event["error"] = data.draw(st.sampled_from([None, "", {}, False]))
    return events


def keep_alive(events: list[Event], data: st.DataObject) -> list[Event]:
    """Words between the events that say nothing."""
    words = [b": ping\n\n", b"data: ping\n\n", b'event: ping\ndata: {"type": "ping"}\n\n', b"data: {}\n\n", b"\n"]
    for place in data.draw(st.lists(st.integers(0, len(events)), max_size=4)):
        events.insert(place, {"type": "ping", "bytes": data.draw(st.sampled_from(words))})
    return events


def strip(events: list[Event], data: st.DataObject) -> list[Event]:
    """Items begin without what they will be named."""
    lost = data.draw(st.sets(st.sampled_from(["name", "call_id", "id", "arguments", "content", "summary"])))
    for event in events:
        if event["type"] == "response.output_item.added":
            event["item"] = {field: value for field, value in event["item"].items() if field not in lost}
    return events


def double(events: list[Event], data: st.DataObject) -> list[Event]:
    """Events that repeat a content or arguments come twice."""
    ends = {event["type"] for event in events if event["type"].endswith(".done")}
    kinds = sorted(ends - {"response.output_item.done"})
    doubled = data.draw(st.sets(st.sampled_from(kinds))) if kinds else set()
    return [copy.deepcopy(event) for event in events for _ in range(1 + (event["type"] in doubled))]


def interleave(events: list[Event], data: st.DataObject) -> list[Event]:
    """Calls that are made at the same time grow in turns."""
    about = [event for event in events if "fc_" in json.dumps(event) and "response" not in event]
    queues: dict[int, list[Event]] = {}
    for event in about:
        queues.setdefault(event["output_index"], []).append(event)
    mixed = iter(
        [queues[turn].pop(0) for turn in data.draw(st.permutations([event["output_index"] for event in about]))]
    )
    rest = [event for event in events if event not in about]
    return rest[:2] + list(mixed) + rest[2:]


def say_objects(events: list[Event], _: st.DataObject) -> list[Event]:
    """Arguments that are said once more are objects."""
    for event in events:
        for place in (event, event.get("item") or {}, *(event.get("response") or {}).get("output", ())):
            if place.get("arguments"):
                place["arguments"] = json.loads(place["arguments"])
    return events


def turn(events: list[Event], _: st.DataObject) -> list[Event]:
    """Summaries are contents in the end."""
    for event in events:
        for item in (event.get("item") or {}, *(event.get("response") or {}).get("output", ())):
            if item.get("summary"):
                texts = [summary["text"] for summary in item.pop("summary")]
                item["content"] = [{"type": "reasoning_text", "text": text} for text in texts]
    return events


def rename_end(events: list[Event], data: st.DataObject) -> list[Event]:
    """The end has another type, or none."""
    (end,) = [event for event in events if event["type"] == "response.completed"]
    end["type"] = data.draw(st.sampled_from(["response.done", "response.finished", "done", "message", ""]))
    return events


DAMAGES: tuple[Damage, ...] = (
    interleave, lose, lose_kinds, lose_output, strip, rename, move, renumber, retype, say_objects, turn, double,
    keep_alive, rename_end,
)  # fmt: skip


def same(good: Told, got: Told) -> bool:
    """Says whether nothing is missing, doubled or in another order. Reasoning that came late may stand elsewhere."""
    return (good[0], sorted(good[1]), *good[2:]) == (got[0], sorted(got[1]), *got[2:])


def check(script: Script, body: bytes) -> bool:
    """Returns whether the answer completed, after a look at what it says then."""
    good = told(read(script.body))
    try:
        events = read(body)
    except ProviderError as error:
        failure: ProviderError | None = error
    else:
        failure = None
    if failure is not None:
        assert (failure.code in ("incomplete_stream", "invalid_response"), failure.retryable) == (True, True)
        return False
    assert same(good, told(events)), (good, told(events), [event for event in events if isinstance(event, Raw)])
    return True


@given(scripts(), st.sampled_from(DAMAGES), st.data())
@settings(max_examples=300, deadline=None)
def test_one_damage(script: Script, damage: Damage, data: st.DataObject) -> None:
    body = body_of(damage(events_of(script), data))
    completed = check(script, body.rstrip(b"\n") if data.draw(st.booleans()) else body)
    assert completed or damage in (lose, lose_kinds)


@given(scripts(), st.lists(st.sampled_from(DAMAGES), min_size=2, max_size=4, unique=True), st.data())
@settings(max_examples=300, deadline=None)
def test_several_damages(script: Script, damages: list[Damage], data: st.DataObject) -> None:
    if lose_output in damages:
        damages = [damage for damage in damages if damage not in (lose, lose_kinds)]
    events = events_of(script)
    for damage in sorted(damages, key=DAMAGES.index):
        events = damage(events, data)
    check(script, body_of(events))


@given(scripts(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_cut_is_no_end(script: Script, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(script.body) - 3))
    assert not check(script, script.body[:place])


@given(scripts())
@settings(max_examples=100, deadline=None)
def test_what_only_the_whole_response_says(script: Script) -> None:
    assert check(script, script.events[0] + script.events[-1])


FIELDS = (
    "type", "id", "text", "content", "summary", "call_id", "name", "arguments", "output", "status", "usage",
    "encrypted_content", "result", "annotations", "error", "incomplete_details", "input", "action",
)  # fmt: skip
WORDS_OF_JUNK = (None, 0, -1, "", "x", True, 1.5, "{}", "message", "reasoning", "function_call", "completed")
JUNK = st.recursive(
    st.sampled_from(WORDS_OF_JUNK),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)),
    max_leaves=8,
)
KINDS = [*sorted(UNDERSTOOD | ENDS | BEGINNINGS), "x", ""]
EVENTS = st.dictionaries(st.sampled_from([*ResponsesEvent.__struct_fields__, "usage", "output"]), JUNK, max_size=6)


@given(st.lists(st.tuples(st.sampled_from(KINDS), EVENTS), max_size=6))
@settings(max_examples=400, deadline=None)
def test_junk_is_no_more_than_a_failure(junk: list[tuple[str, Event]]) -> None:
    body = body_of([{**fields, "type": kind} for kind, fields in junk])
    with contextlib.suppress(ProviderError):
        assert isinstance(read(body)[-1], Completed)
