"""What leaves the writer: merged deltas, whole characters, bounds, and the same bytes again after a loss."""

from __future__ import annotations

from copy import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log.events import ORIGIN, Annotation, Completed, Delta, Event, EventId, Part, PartEnd, Raw, Response, decode
from shared.log.guarded_log import Batch, Claim, ClaimOutcome, Reply, WriteOutcome
from shared.usage import Ended
from tests.contract.accepting import completed
from worker.writing.writer import MAX_MERGED_LOGPROBS, LogFullError, Writer

CLAIM = Claim(ClaimOutcome.CLAIMED, token=7, number=1, last=EventId(5, 3), first=b"{}")


async def restored() -> bool:
    return True


def writer(*, max_log: int = 1_000_000) -> Writer:
    return Writer("gen_x", CLAIM, max_log=max_log, dirty=lambda _: None, restore=restored, stop=lambda _: None)


def delta(text: str, part: int = 0) -> Delta:
    return Delta(part=part, kind="text", delta=text)


def sent(batch: Batch | None) -> list[str]:
    assert batch is not None
    return [event.delta for event in (decode(*e) for e in batch.events) if isinstance(event, Delta)]


def test_the_first_event_is_not_held_back_and_later_ones_merge() -> None:
    one = writer()
    one.put(delta("a"))
    first = one.batch(0)
    assert first is not None
    assert (first.previous, first.first, sent(first)) == (EventId(7, 0), 1, ["a"])
    for text in "bcd":
        one.put(delta(text))
    one.put(delta("x", part=1))
    one.put(delta("e"))
    one.settle(first, Reply(WriteOutcome.OK))
    second = one.batch(0)
    assert second is not None
    assert (second.previous, second.first, sent(second)) == (EventId(7, 1), 2, ["bcd", "x", "e"])


def test_an_event_in_flight_never_changes() -> None:
    one = writer()
    one.put(delta("a"))
    first = one.batch(0)
    one.put(delta("b"))
    again = one.batch(0)
    assert first is not None
    assert again is not None
    assert again.events[0] == first.events[0]
    assert sent(again) == ["a", "b"]


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.data())
def test_text_cut_between_surrogate_halves_is_whole_again(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    one = writer()
    one.put(Part(part=0, kind="text"))
    at = 0
    while at < len(units):
        size = 2 * data.draw(st.integers(1, 3))
        one.put(delta(units[at : at + size].decode("utf-16-le", "surrogatepass")))
        at += size
    one.put(PartEnd(part=0))
    assert "".join(sent(one.batch(0))) == text


@pytest.mark.parametrize(
    ("pieces", "text"), [(["a\ud83d", "b"], "a\ufffdb"), (["\ud83d"], "\ufffd"), (["\ude00x"], "\ufffdx")]
)
def test_a_lone_surrogate_becomes_u_fffd(pieces: list[str], text: str) -> None:
    one = writer()
    for piece in pieces:
        one.put(delta(piece))
    one.put(PartEnd(part=0))
    assert "".join(sent(one.batch(0))) == text


def test_what_waits_for_its_second_half_does_not_grow() -> None:
    one = writer()
    for text in ("a\ud83d", "\ud83d", "", "\ud83d\ud83d"):
        one.put(delta(text))
    assert sent(one.batch(0)) == ["a\ufffd\ufffd"]
    one.put(delta("\ude00b"))
    assert sent(one.batch(0))[-1] == "\ufffd\U0001f600b"


def test_ahead_the_reply_was_lost() -> None:
    one = writer()
    one.put(delta("a"))
    batch = one.batch(0)
    assert batch is not None
    one.settle(batch, Reply(WriteOutcome.MISMATCH, last=EventId(7, 1)))
    assert one.behind == 0
    assert one.batch(0) is None


@pytest.mark.parametrize("known", [True, False], ids=["acknowledged", "its reply was lost"])
def test_without_room_what_was_ever_sent_keeps_its_place(known: bool) -> None:
    """A Redis that came back without it, and has no room: viewers have seen it, and the end comes after it."""
    stopped: list[str] = []
    one = Writer("gen_x", CLAIM, max_log=10_000, dirty=lambda _: None, restore=restored, stop=stopped.append)
    one.put(delta("a"))
    seen = one.batch(0)
    assert seen is not None
    if known:
        one.settle(seen, Reply(WriteOutcome.OK))
        one.recheck()
        looked = one.batch(0)
        assert looked is not None
        one.settle(looked, Reply(WriteOutcome.MISMATCH, last=EventId(7, 0)))
    one.put(delta("never sent"))
    one.refuse(-1.0)
    assert stopped == ["full"]
    one.put(completed())
    last = one.batch(0)
    assert last is not None
    assert (last.first, [data for _, data in last.events[:-1]]) == (seen.first, [data for _, data in seen.events])
    assert last.events[-1][0] == "completed"


def test_without_room_an_end_that_waits_stays() -> None:
    stopped: list[str] = []
    one = Writer("gen_x", CLAIM, max_log=10_000, dirty=lambda _: None, restore=restored, stop=stopped.append)
    one.put(completed())
    one.ended = Ended(id="gen_x", owner="me", state="completed", ended_ms=1, keep_ms=1, model="p/m")
    one.refuse(-1.0)
    assert stopped == []
    last = one.batch(0)
    assert last is not None
    assert [kind for kind, _ in last.events][-1] == "completed"


def test_behind_the_missing_events_are_sent_again_as_they_were() -> None:
    one = writer()
    batches = []
    for text in "abc":
        one.put(delta(text))
        batch = one.batch(0)
        assert batch is not None
        one.settle(batch, Reply(WriteOutcome.OK))
        batches.append(batch)
    one.put(delta("d"))
    refused = one.batch(0)
    assert refused is not None
    one.settle(refused, Reply(WriteOutcome.MISMATCH, last=EventId(7, 1)))
    again = one.batch(0)
    assert again is not None
    assert (again.previous, again.first) == (EventId(7, 1), 2)
    assert list(again.events) == [*batches[1].events, *batches[2].events, *refused.events]

    one.settle(again, Reply(WriteOutcome.MISMATCH, last=EventId(4, 9)))
    whole = one.batch(0)
    assert whole is not None
    assert (whole.previous, whole.first, whole.events[0]) == (EventId(4, 9), 0, ("attempt", b"{}"))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(WriteOutcome.FENCED), WriteOutcome.FENCED),
        (Reply(WriteOutcome.GONE), WriteOutcome.GONE),
        (Reply(WriteOutcome.SEALED, last=EventId(9, 0)), WriteOutcome.SEALED),
        (Reply(WriteOutcome.MISMATCH, last=EventId(9, 0)), WriteOutcome.FENCED),
    ],
)
def test_a_log_that_is_anothers_is_left_alone(reply: Reply, outcome: WriteOutcome) -> None:
    one = writer()
    one.put(delta("a"))
    batch = one.batch(0)
    assert batch is not None
    one.settle(batch, reply)
    assert one.outcome is outcome
    assert one.batch(0) is None


async def test_the_seal_is_looked_at_again_and_healed() -> None:
    one = writer()
    one.put(Completed(finish_reason="stop"))
    batch = one.batch(0)
    assert batch is not None
    one.settle(batch, Reply(WriteOutcome.OK))
    assert one.outcome is WriteOutcome.OK
    await one.caught_up()

    one.recheck()
    look = one.batch(0)
    assert look is not None
    assert look.events == batch.events
    one.settle(look, Reply(WriteOutcome.SEALED, last=EventId(7, 1)))
    assert one.behind == 0

    one.recheck()
    look = one.batch(0)
    assert look is not None
    one.settle(look, Reply(WriteOutcome.MISMATCH, last=ORIGIN))
    whole = one.batch(0)
    assert whole is not None
    assert (whole.first, len(whole.events)) == (0, 2)


def test_the_bound_stops_everything_but_the_end() -> None:
    one = writer(max_log=10)
    one.put(delta("123456"))
    with pytest.raises(LogFullError):
        one.put(delta("7890123"))
    one.put(Completed(finish_reason="stop"))
    batch = one.batch(0)
    assert batch is not None
    assert [type for type, _ in batch.events] == ["delta", "completed"]


@pytest.mark.parametrize(
    "event",
    [
        Raw(protocol="p", data={"x": "y" * 500}),
        Annotation(part=0, fields={"url": "y" * 500}),
        PartEnd(part=0, signature="y" * 500),
        PartEnd(part=0, encrypted="y" * 500),
        Part(part=0, kind="text", item_id="y" * 500),
        Response(response_id="y" * 500),
        delta("日" * 200),
        delta('"' * 300),
        delta("\n" * 300),
        delta("\x00" * 100),
        delta("\ud83d\ude00" * 100),
    ],
    ids=lambda event: event.type,
)
def test_all_bytes_of_all_events_count(event: Event) -> None:
    one = writer(max_log=1_000)
    one.put(copy(event))
    with pytest.raises(LogFullError):
        one.put(copy(event))


def test_the_frames_of_deltas_count_once_they_have_left() -> None:
    one = writer(max_log=500)
    for part in range(20):
        one.put(delta("x", part))
    assert one.batch(0) is not None
    with pytest.raises(LogFullError):
        one.put(delta("x", 20))


def weighed(text: str, *tokens: str) -> Delta:
    return Delta(part=0, kind="text", delta=text, logprobs=[{"token": token, "logprob": -1} for token in tokens])


def told(batch: Batch | None) -> list[tuple[str, list[str] | None]]:
    assert batch is not None
    deltas = [event for event in (decode(*e) for e in batch.events) if isinstance(event, Delta)]
    return [(one.delta, [token["token"] for token in one.logprobs] if one.logprobs else None) for one in deltas]


def test_merged_deltas_have_the_logprobs_of_all_their_tokens_or_none() -> None:
    one = writer()
    for event in (
        delta("a"), delta("b"), weighed("c", "c"), weighed("de", "d", "e"), weighed("", "<end>"), delta("f"), delta("g")
    ):  # fmt: skip
        one.put(event)
    assert told(one.batch(0)) == [("ab", None), ("cde", ["c", "d", "e", "<end>"]), ("fg", None)]


def test_logprobs_of_the_halves_of_a_pair_are_those_of_its_character() -> None:
    one = writer()
    one.put(weighed("\ud83d", "1"))
    one.put(weighed("\ude00", "2"))
    one.put(delta("\ud83d"))
    one.put(weighed("\ude00", "3"))
    assert told(one.batch(0)) == [("\U0001f600\U0001f600", ["1", "2", "3"])]


def test_no_more_tokens_join_than_there_is_room_for() -> None:
    one = writer()
    for _ in range(2 * MAX_MERGED_LOGPROBS):
        one.put(weighed("a", "a"))
    assert [len(tokens or ()) for _, tokens in told(one.batch(0))] == [MAX_MERGED_LOGPROBS] * 2


def test_logprobs_count_for_the_bound_of_a_log() -> None:
    one = writer(max_log=1_000)
    with pytest.raises(LogFullError):
        one.put(weighed("a", *["\ud83d"] * 40))


class TestLength:
    """Of what a later request repeats of the answer."""

    def test_it_is_that_of_what_a_message_has(self) -> None:
        one = writer()
        for event in (
            Response(response_id="r"),
            Part(part=0, kind="reasoning"),
            Delta(part=0, kind="reasoning", delta="abc"),
            Part(part=1, kind="file", media_type="image/png"),
            Delta(part=1, kind="file", delta="x" * 5000),
            Raw(protocol="p", data={"a": "x" * 5000}),
            Part(part=2, kind="tool_result", call_id="c"),
            Delta(part=2, kind="tool_result", delta="x" * 5000),
            Delta(part=3, kind="text", delta="❤"),
            Delta(part=4, kind="tool_call", delta="{}"),
            Delta(part=5, kind="refusal", delta="No."),
        ):
            one.put(event)
        assert one.said == 3 + 3 + 2 + 3
        signature = PartEnd(part=0, signature="s" * 100, provider="p")
        one.put(signature)
        assert 111 <= one.said <= 11 + 200

    def test_it_goes_with_each_batch(self) -> None:
        one = writer()
        one.put(delta("ab"))
        one.put(completed())
        batch = one.batch(0)
        assert batch is not None
        assert batch.said == 2
        one.settle(batch, Reply(WriteOutcome.OK))
        one.recheck()
        again = one.batch(0)
        assert again is not None
        assert again.said == 2
