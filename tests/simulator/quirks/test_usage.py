"""Counts that stand elsewhere, or are none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.quirks.asked import ALL, CHAT, LOREM, REASONING, Answered, Asker


def counts(answer: Answered) -> Iterator[Any]:
    """Everything that stands where counts should."""
    for data in answer.data:
        for holder in (data, data.get("response", {}), data.get("message", {})):
            yield from (holder[name] for name in ("usage", "usageMetadata") if holder.get(name))


def numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif not (isinstance(value, str) and not value[:1].isdigit()):
        yield value


@pytest.mark.parametrize("protocol", ALL)
async def test_counts_of_another_type(ask: Asker, protocol: str) -> None:
    usual = [n for count in counts(await ask(protocol, LOREM)) for n in numbers(count)]
    assert usual
    fractions = [n for count in counts(await ask(protocol, LOREM, "usage-fraction")) for n in numbers(count)]
    assert fractions == [n + 0.5 for n in usual]
    texts = [n for count in counts(await ask(protocol, LOREM, "usage-text")) for n in numbers(count)]
    assert texts == [str(n) for n in usual]


@pytest.mark.parametrize("protocol", ALL)
async def test_counts_that_are_none(ask: Asker, protocol: str) -> None:
    usual = await ask(protocol, LOREM)
    listed = await ask(protocol, LOREM, "usage-list")
    assert [count[0] for count in counts(listed)] == list(counts(usual))
    assert list(counts(await ask(protocol, LOREM, "usage-missing"))) == []


async def test_counts_in_the_choice(ask: Asker) -> None:
    usual, odd = await ask(CHAT, LOREM), await ask(CHAT, LOREM, "usage-in-choice")
    assert odd.choices[-1]["usage"] == usual.data[-1]["usage"]
    assert odd.choices[-1]["finish_reason"] == "stop"
    assert len(odd.blocks) == len(usual.blocks) - 1
    assert odd.body.endswith(b"data: [DONE]\n\n")


async def test_reasoning_tokens_beside_the_details(ask: Asker) -> None:
    odd = await ask(CHAT, REASONING, "usage-reasoning-beside")
    usage = odd.data[-1]["usage"]
    assert (usage["completion_tokens_details"], usage["reasoning_tokens"]) == (None, 3)
