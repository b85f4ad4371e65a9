"""An answer that broke off anywhere and is read on from there says what it would have said in one go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.log.events import ORIGIN, Annotation, EventId, Part, PartEnd, decode, encode
from shared.log.events import Attempt as AttemptEvent
from shared.log.guarded_log import Claim, ClaimOutcome
from shared.log.snapshots import Snapshot
from shared.sse_decoder import SseDecoder
from tests.worker.providers.openai_responses.responses_stream import Script, output_text, rich
from worker.providers.openai_responses.reader import ResponsesReader
from worker.providers.provider import ProviderError, ProviderEvent
from worker.writing.writer import Writer

Entry = tuple[str, bytes]


def events_of(body: bytes, so_far: Snapshot | None = None) -> list[ProviderEvent]:
    """What a reader makes of it."""
    reader = ResponsesReader("acme", so_far)
    events: list[ProviderEvent] = []
    for event in SseDecoder().feed(body):
        reader.read(event, events)
    return events


def written(events: Sequence[ProviderEvent], token: int, batches: Sequence[int] = ()) -> list[Entry]:
    """The log's entries, deltas merged where so many events came at a time."""
    first = encode(AttemptEvent(number=token, reason="new", model="m", provider="acme", continues=token > 1))
    claim = Claim(ClaimOutcome.CLAIMED, token, 1, ORIGIN, first)
    sent: list[Entry] = []

    async def restore() -> bool:
        return False

    writer = Writer("gen", claim, max_log=10**9, dirty=lambda _: None, restore=restore, stop=lambda _: None)
    sizes = iter(batches)
    left = next(sizes, 1)
    for event in events:
        writer.put(event)
        left -= 1
        if left <= 0:
            writer.batch(0)
            left = next(sizes, 1)
    writer._acked = 0
    batch = writer.batch(0)
    assert batch is not None
    sent += batch.events
    return sent


def fold(attempts: Sequence[Sequence[Entry]]) -> Snapshot:
    snapshot = Snapshot()
    for token, entries in enumerate(attempts, 1):
        for seq, entry in enumerate(entries):
            snapshot.apply(EventId(token, seq), *entry)
    return snapshot


def shape(attempts: Sequence[Sequence[Entry]]) -> dict[str, Any]:
    """What viewers have in the end: parts, what is opaque in them, citations, how it ended."""
    snapshot = fold(attempts)
    parts = [
        (p.kind, p.item_id, p.call_id, p.name, p.summary, p.ended, p.text.encode("utf-8", "replace"))
        for p in snapshot.parts
    ]
    events = [decode(*entry) for entries in attempts for entry in entries]
    assert snapshot.end is not None
    return {
        "parts": parts,
        "encrypted": [e.encrypted for e in events if isinstance(e, PartEnd) and e.encrypted],
        "citations": [e.fields for e in events if isinstance(e, Annotation)],
        "end": (encode(snapshot.end).partition(b',"t":')[0], snapshot.usage),
    }


def continued(script: Script, attempts: list[list[Entry]]) -> list[Entry]:
    """What the next attempt writes."""
    so_far = fold(attempts)
    assert so_far.sequence_number is not None
    events = events_of(script.after(so_far.sequence_number), so_far)
    return written(events, len(attempts) + 1)


@cache
def uncut() -> tuple[Script, list[ProviderEvent], dict[str, Any]]:
    script = rich()
    return script, events_of(script.body), shape([written(events_of(script.body), 1)])


def test_the_whole_is_what_it_should_be() -> None:
    _, _, expected = uncut()
    assert len(expected["parts"]) == 11
    assert all(part[5] for part in expected["parts"])
    assert expected["encrypted"] == ["ZW5j"]
    assert len(expected["citations"]) == 1


def test_a_cut_after_every_event() -> None:
    script, events, expected = uncut()
    entries = written(events, 1)
    # Before the first of the provider's events there is nothing to go on from.
    for cut in range(2, len(entries)):
        attempts = [entries[:cut]]
        attempts.append(continued(script, attempts))
        assert shape(attempts) == expected, cut


@given(st.lists(st.integers(1, 40), max_size=30), st.lists(st.floats(0, 1), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_many_cuts_of_merged_deltas(batches: list[int], places: list[float]) -> None:
    script, _, expected = uncut()
    attempts: list[list[Entry]] = []
    entries = written(events_of(script.body), 1, batches)
    for place in places:
        if len(entries) > 2:
            attempts.append(entries[: 2 + int(place * (len(entries) - 2))])
            if decode(*attempts[-1][-1]).type == "completed":
                break
            entries = continued(script, attempts)
    else:
        attempts.append(entries)
    assert shape(attempts) == expected


def test_what_goes_on_says_so() -> None:
    script = Script().begin().call("rain", '{"x": 1}').message(output_text("abcdef")).end()
    entries = written(events_of(script.body), 1)
    cut = next(n for n, (_, data) in enumerate(entries) if b"abc" in data) + 1
    so_far = fold([entries[:cut]])
    events = events_of(script.after(so_far.sequence_number or 0), so_far)
    (part,) = (event for event in events if isinstance(event, Part))
    assert (part.resumes, part.kind, part.item_id, part.part) == (True, "text", "msg_1", 0)
    # The call was made before the cut, and is still what it ended with.
    assert events[-1].type == "completed"
    assert getattr(events[-1], "finish_reason", None) == "tool_calls"


def cut_in(script: Script, said: bytes) -> tuple[Snapshot, int]:
    """The state after the delta with these words, and its number."""
    entries = written(events_of(script.body), 1)
    cut = next(n for n, (type, data) in enumerate(entries) if type == "delta" and said in data) + 1
    so_far = fold([entries[:cut]])
    assert so_far.sequence_number is not None
    return so_far, so_far.sequence_number


def failure(body: bytes, so_far: Snapshot) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        events_of(body, so_far)
    return caught.value


def test_a_gap_is_found() -> None:
    script = Script().begin().message(output_text("abcdefghi")).end()
    so_far, number = cut_in(script, b"abc")
    error = failure(script.after(number + 1), so_far)
    assert (error.code, error.over) == ("invalid_response", True)


def test_another_answer_is_found() -> None:
    script = Script().begin().message(output_text("abcdefghi")).end()
    so_far, number = cut_in(script, b"abc")
    error = failure(script.after(number).replace(b"msg_1", b"msg_2"), so_far)
    assert (error.code, error.over) == ("invalid_response", True)


def test_a_server_that_starts_again_from_its_first_event() -> None:
    script, events, expected = uncut()
    entries = written(events, 1)[:20]
    so_far = fold([entries])
    assert shape([entries, written(events_of(script.body, so_far), 2)]) == expected


def test_a_half_of_a_pair_waits_with_its_number() -> None:
    """What the log has the number of, it has all of."""
    script = Script().begin().message(output_text("ab\ud83d\ude00cd"), cut=3).end()
    entries = written(events_of(script.body), 1)
    expected = shape([entries])
    assert expected["parts"][0][-1] == "ab😀cd".encode()
    for cut in range(2, len(entries)):
        attempts = [entries[:cut]]
        attempts.append(continued(script, attempts))
        assert shape(attempts) == expected, cut


@pytest.mark.parametrize("named_first", [False, True])
def test_a_call_that_waited_for_its_name_is_whole_or_it_starts_over(named_first: bool) -> None:
    """What waits has no number in the log: who reads on may have missed it, and must see that."""
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "rain", "arguments": '{"a": 1}'}
    script = Script().begin()
    if named_first:
        script.add("response.output_item.added", output_index=0, item={**item, "call_id": None, "arguments": ""})
    for piece in ('{"a"', ": 1}"):
        script.add("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta=piece)
        script.add("response.output_text.delta", output_index=1, item_id="msg_1", delta="x")
    script.add("response.output_item.done", output_index=0, item=item)
    script.output = [item, {"id": "msg_1", "type": "message", "content": [output_text("xx")]}]
    entries = written(events_of(script.end().body), 1)
    expected = shape([entries])["parts"]
    assert [part[-1] for part in sorted(expected)] == [b"xx", b'{"a": 1}']
    went_on = 0
    for cut in range(2, len(entries)):
        attempts = [entries[:cut]]
        try:
            attempts.append(continued(script, attempts))
        except ProviderError as caught:
            error: ProviderError | None = caught
        else:
            error = None
        if error is None:
            went_on += 1
            assert sorted(shape(attempts)["parts"]) == sorted(expected), cut
        else:
            assert error.over
    assert went_on
