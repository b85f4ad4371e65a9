"""Finish reasons that come too early, too often, never, or as the sign of a broken answer."""

import pytest

from tests.simulator.quirks.asked import CHAT, GEMINI, LOREM, MESSAGES, TOOLS, Asker

OWN = {CHAT: "stop", MESSAGES: "end_turn", GEMINI: "STOP"}
PROTOCOLS = list(OWN)


@pytest.mark.parametrize("protocol", [CHAT, GEMINI])
async def test_every_chunk_has_the_reason(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "finish-every-chunk")
    assert odd.reasons == [OWN[protocol]] * len(usual.reasons)
    assert len(odd.reasons) >= 7
    assert odd.text == usual.text


async def test_the_last_reason_is_that_of_the_answer(ask: Asker) -> None:
    odd = await ask(CHAT, TOOLS, "finish-every-chunk")
    assert set(odd.reasons[:-1]) == {"stop"}
    assert odd.reasons[-1] == "tool_calls"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reason_with_counts_in_the_middle(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "finish-halfway")
    assert [reason for reason in odd.reasons if reason] == [OWN[protocol]] * 2
    assert odd.text == usual.text
    place = next(n for n, data in enumerate(odd.data) if f'"{OWN[protocol]}"' in str(data).replace("'", '"'))
    said = odd._replace(body=b"\n\n".join(odd.blocks[: place + 1])).text
    assert said.split() == usual.text.split()[:3]
    if protocol != CHAT:
        assert "usage" in str(odd.data[place])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_reason_on_empty_chunks_before_the_first_word(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "finish-leading")
    assert [reason for reason in odd.reasons if reason] == [OWN[protocol]] * 3
    assert odd.text == usual.text
    first = next(n for n, block in enumerate(odd.blocks) if usual.text.split()[0].encode() in block)
    assert odd._replace(body=b"\n\n".join(odd.blocks[:first])).text == ""
    assert sum(f'"{OWN[protocol]}"'.encode() in block for block in odd.blocks[:first]) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_null_as_a_word(ask: Asker, protocol: str) -> None:
    odd = await ask(protocol, LOREM, "finish-null")
    assert odd.reasons[-1] == OWN[protocol]
    if protocol == MESSAGES:
        assert odd.data[0]["message"]["stop_reason"] == "null"
    else:
        assert set(odd.reasons[:-1]) == {"null"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_reason_at_all(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "finish-missing")
    assert set(odd.reasons) == {None}
    assert odd.text == usual.text
    if protocol != GEMINI:
        assert odd.blocks[-1] == usual.blocks[-1]


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("quirk", "reason"),
    [
        ("broken-abort", "abort"),
        ("broken-network", "network_error"),
        ("broken-resource", "insufficient_system_resource"),
    ],
)
async def test_a_reason_that_says_broken_off_after_half(ask: Asker, protocol: str, quirk: str, reason: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    assert [said for said in odd.reasons if said] == [reason]
    assert odd.text.split() == usual.text.split()[:3]
    assert odd.blocks[-1] == usual.blocks[-1]
