"""Which choice is the answer: one of any number, one whose number counts up, or the first of several."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, STOP, chunk
from worker.providers.openai_chat.choices import Choices
from worker.providers.openai_chat.chunk import Choice, ChunkDelta

Said = tuple[int | None, str, str | None]


def choice(said: Said) -> Choice:
    return Choice(index=said[0], delta=ChunkDelta(content=said[1]), finish_reason=said[2])


def texts(choices: Sequence[Choice]) -> str:
    return "".join(str(one.delta.content) for one in choices if one.delta)


def one(index: int | None, text: str, finish: str | None = None) -> list[Said]:
    return [(index, text, finish)]


COUNTING = [one(n, chr(97 + n)) for n in range(12)]


@pytest.mark.parametrize(
    ("chunks", "answer", "others"),
    [
        pytest.param([one(0, "a"), one(0, "b", "stop")], "ab", "", id="usual"),
        pytest.param([one(None, "a"), one(0, "b", "stop")], "ab", "", id="none"),
        pytest.param([one(1, "a"), one(1, "b"), one(1, "c", "stop")], "abc", "", id="one"),
        pytest.param([one(7, "a", "stop")], "a", "", id="a single chunk"),
        pytest.param([one(0, "a"), one(1, "b"), one(2, "c", "stop")], "abc", "", id="counts, short"),
        pytest.param([*COUNTING, one(12, "", "stop")], "abcdefghijkl", "", id="counts, long"),
        pytest.param([*COUNTING[1:], one(12, "", "stop")], "bcdefghijkl", "", id="counts from one"),
        pytest.param([one(0, ""), one(1, ""), one(0, "a"), one(1, "x"), one(0, "b")], "ab", "x", id="two"),
        pytest.param([one(0, "a"), one(1, "x"), one(2, "y"), one(0, "b"), one(2, "z")], "ab", "xyz", id="three"),
        pytest.param([one(1, "x", "stop"), one(0, "a"), one(1, "y")], "a", "xy", id="two, the second first"),
        pytest.param(
            [one(0, "a", ""), one(1, "b", "null"), one(2, "c", "stop")], "abc", "", id="counts, with no reasons"
        ),
        pytest.param([*COUNTING, one(0, "", "stop")], "abcdefghijkl", "", id="counts, and ends at 0"),
        pytest.param([*COUNTING[:4], one(0, "", "stop")], "abcd", "", id="counts, short, and ends at 0"),
        pytest.param([one(1, "a"), one(1, "b"), one(0, "", "stop")], "ab", "", id="one, and ends at 0"),
        pytest.param(
            [one(0, "a"), one(0, "b"), one(1, "c"), one(1, "d"), one(2, "e"), one(2, "", "stop")],
            "abcde",
            "",
            id="contents",
        ),
        pytest.param(
            [one(0, "a"), one(1, "b"), one(1, "c"), one(0, "", "stop")], "abc", "", id="contents, and ends at 0"
        ),
        pytest.param([one(0, "a"), *[one(1, "b")] * 99, one(1, "", "stop")], "a" + "b" * 99, "", id="contents, long"),
        pytest.param([one(0, "a", "stop"), *[one(1, "x")] * 99], "a", "x" * 99, id="two, one after the other"),
        pytest.param([one(0, "a"), one(1, "x"), one(1, "y"), one(0, "b"), one(1, "z")], "ab", "xyz", id="two, bursts"),
        pytest.param(
            [one(0, "a"), one(1, "x"), one(0, "", "stop"), one(1, "y"), one(1, "", "stop")],
            "a",
            "xy",
            id="two, the first is shorter",
        ),
        pytest.param([one(0, "a", "stop"), one(1, "x", "stop")], "a", "x", id="two in two chunks"),
        pytest.param([one(1, "x", "stop"), one(2, "y", "stop")], "x", "y", id="two, neither of them the first"),
        pytest.param([[(0, "a", None), (1, "x", None)], one(1, "y")], "a", "xy", id="two in one chunk"),
        pytest.param([[(0, "a", None), (0, "b", None)]], "ab", "", id="one choice twice in a chunk"),
    ],
)
def test_the_answer_and_others(chunks: list[list[Said]], answer: str, others: str) -> None:
    choices = Choices()
    taken, left = "", ""
    for said in chunks:
        ours, theirs = choices.take([choice(entry) for entry in said])
        taken, left = taken + texts(ours), left + texts(theirs)
    ours, theirs = choices.rest()
    assert (taken + texts(ours), left + texts(theirs)) == (answer, others)


def test_a_usual_choice_never_waits_and_one_that_counts_soon_does_not() -> None:
    usual, counts = Choices(), Choices()
    assert [texts(usual.take([choice((0, "a", None))])[0]) for _ in range(3)] == ["a", "a", "a"]
    said = [texts(counts.take([choice(entry[0])])[0]) for entry in COUNTING]
    assert said == ["a", "", "", "", "", "", "", "", "bcdefghi", "j", "k", "l"]
    assert counts.waits is None


@pytest.mark.parametrize("end", [b"", DONE])
async def test_an_index_that_counts_up_or_is_one(read: Read, end: bytes) -> None:
    def said(index: int, text: str, finish: str | None = None) -> bytes:
        return chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": finish}])

    for indexes in ((0, 1, 2, 3), (1, 1, 1, 1)):
        pieces = [said(index, text) for index, text in zip(indexes, ("Hel", "lo ", "there"), strict=False)]
        got = await read(*pieces, said(indexes[-1], "", "stop") + end)
        assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "Hello there"}])
        assert (got.completed.raw_finish_reason, got.raw()) == ("stop", [])


async def test_of_two_answers_the_first_counts(read: Read) -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "no"}, "error": None, "finish_reason": "length"}])
    got = await read(chunk({"content": "yes"}) + other + chunk({"content": "."}) + STOP)
    assert got.parts() == [{"kind": "text", "text": "yes."}]
    assert got.raw() == [{"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}]
    assert got.completed.raw_finish_reason == "stop"
