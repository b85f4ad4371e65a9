"""An image that is one large event."""

import pytest

from simulator.quirks.images import picture
from tests.simulator.quirks.asked import CHAT, GEMINI, LOREM, RESPONSES, Asker


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, GEMINI])
async def test_twenty_megabytes_before_the_end(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "large-image")
    large = [block for block in odd.blocks if len(block) > 20_000_000]
    assert len(large) == 1
    assert picture().encode() in large[0]
    assert len(picture()) % 4 == 0
    assert len(odd.blocks) == len(usual.blocks) + 1
    assert odd.text == usual.text
    assert odd.reasons[-1:] == usual.reasons[-1:]
    assert odd.reasons.count("STOP") == usual.reasons.count("STOP")
