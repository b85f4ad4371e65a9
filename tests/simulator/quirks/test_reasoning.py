"""Reasoning of Chat under other names."""

from typing import Any

import pytest

from simulator.quirks.reasoning import OPAQUE
from tests.simulator.quirks.asked import CHAT, REASONING, Asker


def _databricks(delta: dict[str, Any]) -> str:
    ((entry,),) = [delta["content"]]
    assert entry["type"] == "reasoning"
    text: str = entry["summary"][0]["text"]
    return text


def _mistral(delta: dict[str, Any]) -> str:
    ((entry,),) = [delta["content"]]
    assert entry["type"] == "thinking"
    text: str = entry["thinking"][0]["text"]
    return text


THOUGHT: dict[str, Any] = {
    "reasoning-copilot": lambda delta: delta["reasoning_text"],
    "reasoning-field": lambda delta: delta["reasoning"],
    "reasoning-databricks": _databricks,
    "reasoning-mistral": _mistral,
}


@pytest.mark.parametrize("quirk", THOUGHT)
async def test_where_the_thoughts_are(ask: Asker, quirk: str) -> None:
    usual, odd = await ask(CHAT, REASONING), await ask(CHAT, REASONING, quirk)
    thoughts = [delta["reasoning_content"] for delta in usual.deltas if "reasoning_content" in delta]
    assert len(thoughts) == 3
    # The first chunk has the role.
    assert [THOUGHT[quirk](delta) for delta in odd.deltas[1:4]] == thoughts
    assert b"reasoning_content" not in odd.body
    texts = [delta["content"] for delta in odd.deltas[4:-1]]
    if quirk == "reasoning-databricks":
        texts = [entry["text"] for (entry,) in texts]
    assert "".join(texts) == usual.text


async def test_copilot_ends_with_what_nobody_can_read(ask: Asker) -> None:
    odd = await ask(CHAT, REASONING, "reasoning-copilot")
    assert odd.deltas[-1] == {"reasoning_opaque": OPAQUE}
    assert odd.body.count(OPAQUE.encode()) == 1
