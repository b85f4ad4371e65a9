"""Logprobs of Gemini, in the shape of Chat."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import Delta
from tests.worker.providers.gemini.test_reader import Read, chunk, end, raws, text
from worker.providers.gemini.logprobs import logprobs_of


def entry(token: str, logprob: float, *top: tuple[str, float]) -> dict[str, Any]:
    others = [{"token": other, "logprob": value, "bytes": None} for other, value in top]
    return {"token": token, "logprob": logprob, "bytes": None, "top_logprobs": others}


CHOSEN = [{"token": "Be", "tokenId": 7, "logProbability": -0.5}, {"token": "cause", "tokenId": 8}]


@pytest.mark.parametrize(
    ("result", "read"),
    [
        # What is zero or empty is left out of its JSON.
        ({"chosenCandidates": CHOSEN}, [entry("Be", -0.5), entry("cause", 0)]),
        (
            {"chosenCandidates": CHOSEN, "topCandidates": [{"candidates": CHOSEN}]},
            [entry("Be", -0.5, ("Be", -0.5), ("cause", 0)), entry("cause", 0)],
        ),
        ({"chosenCandidates": [{}], "topCandidates": [{}, {"candidates": CHOSEN}]}, [entry("", 0)]),
        (
            {"chosenCandidates": CHOSEN, "topCandidates": [1, {"candidates": [1]}]},
            [entry("Be", -0.5), entry("cause", 0)],
        ),
        ({"chosenCandidates": []}, None),
        ({"chosenCandidates": [1]}, None),
        ({"chosenCandidates": [{"token": 1}]}, None),
        ({"topCandidates": []}, None),
        ([], None),
    ],
)  # fmt: skip
def test_one_shape(result: Any, read: Any) -> None:
    assert logprobs_of(result) == read


async def test_they_go_with_the_text_of_their_chunk(read: Read) -> None:
    got = await read(chunk(text("Because"), logprobsResult={"chosenCandidates": CHOSEN}) + end())
    assert [event.logprobs for event in got.events if isinstance(event, Delta)] == [
        [entry("Be", -0.5), entry("cause", 0)]
    ]
    assert raws(got) == []


async def test_those_of_no_text_or_of_several_are_kept(read: Read) -> None:
    result = {"chosenCandidates": CHOSEN}
    got = await read(
        chunk(text("a")) + chunk(text("b"), {"functionCall": {"name": "f"}}, text("c"), logprobsResult=result) + end()
    )
    assert not any(event.logprobs for event in got.events if isinstance(event, Delta))
    assert raws(got) == [{"logprobsResult": result}]
    got = await read(chunk(text("a")) + end(logprobsResult=result))
    assert raws(got) == [{"logprobsResult": result}]
