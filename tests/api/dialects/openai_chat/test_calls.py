"""Calls come one after the other, and none is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.dialects.openai_chat.calls import Calls
from api.dialects.openai_chat.parts import SaidPart


def begin(calls: Calls) -> SaidPart:
    return SaidPart("tool_call", call=calls.add())


def test_a_call_waits_until_the_one_before_has_ended() -> None:
    calls = Calls()
    first, second, third = begin(calls), begin(calls), begin(calls)
    assert calls.speak(first, b"a") == (b"a",)
    assert calls.speak(second, b"b") == ()
    assert calls.speak(third, b"c") == ()
    assert calls.speak(second, b"B") == ()
    assert calls.speak(first, b"A") == (b"A",)
    second.ended = True
    assert calls.end() == []
    first.ended = True
    assert calls.end() == [b"b", b"B", b"c"]
    assert calls.speak(third, b"C") == (b"C",)


def test_a_call_whose_arguments_are_whole_holds_no_other_back() -> None:
    calls = Calls()
    first, second = begin(calls), begin(calls)
    calls.speak(first, b"a")
    first.pieces += [b'"{\\"a\\""', b'":1}"']
    assert calls.speak(second, b"b") == (b"b",)


def test_a_number_may_be_the_beginning_of_one() -> None:
    calls = Calls()
    first, second = begin(calls), begin(calls)
    calls.speak(first, b"a")
    first.pieces.append(b'"1"')
    assert calls.speak(second, b"b") == ()
    assert calls.release() == [b"b"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_nothing_is_lost_and_each_call_is_in_order(turns: list[tuple[int, bool]]) -> None:
    calls = Calls()
    begun = [begin(calls) for _ in range(4)]
    said: list[bytes] = []
    sent: list[bytes] = []
    for at, (which, ends) in enumerate(turns):
        if begun[which].ended:
            continue
        said.append(b"%d:%d" % (which, at))
        sent += calls.speak(begun[which], said[-1])
        if ends:
            begun[which].ended = True
            sent += calls.end()
    sent += calls.release()
    assert sorted(sent) == sorted(said)
    for which in range(4):
        own = b"%d:" % which
        assert [one for one in sent if one.startswith(own)] == [one for one in said if one.startswith(own)]
    turns_taken = [one[:1] for at, one in enumerate(sent) if at == 0 or sent[at - 1][:1] != one[:1]]
    assert len(turns_taken) == len(set(turns_taken))
