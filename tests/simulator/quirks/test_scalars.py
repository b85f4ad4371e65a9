"""Values of another type than the protocol's."""

import re

import pytest

from tests.simulator.quirks.asked import ALL, CHAT, GEMINI, LOREM, MESSAGES, RESPONSES, TOOLS, Asker

TEXT_OF = {
    CHAT: rb'"content":%s',
    RESPONSES: rb'"delta":%s',
    MESSAGES: rb'"text":%s',
    GEMINI: rb'"text":%s',
}


@pytest.mark.parametrize("protocol", ALL)
async def test_texts_that_are_numbers(ask: Asker, protocol: str) -> None:
    odd = await ask(protocol, "echo?chunk=2&rate=0", "content-number", "120607x")
    # What would come out otherwise than it went in stays text.
    for piece in (b"12", b'"06"', b'"07"', b'"x"'):
        assert TEXT_OF[protocol] % piece in odd.body


async def test_texts_of_a_number_stay_text_where_they_are_no_texts(ask: Asker) -> None:
    odd = await ask(CHAT, "echo?chunk=9&rate=0", "content-number", "6")
    assert b'"content":6}' in odd.body
    assert b'"model":"echo' in odd.body


@pytest.mark.parametrize("protocol", ALL)
async def test_ids_are_numbers(ask: Asker, protocol: str) -> None:
    odd = await ask(protocol, TOOLS, "ids-number")
    ids = re.findall(rb'"(?:id|responseId|item_id|call_id)":([^,}]+)', odd.body)
    assert len(ids) >= 3
    assert all(id.isdigit() for id in ids)
    if protocol in (CHAT, GEMINI):
        own = "id" if protocol == CHAT else "responseId"
        assert len({data[own] for data in odd.data}) == 1


@pytest.mark.parametrize("protocol", ALL)
async def test_numbers_are_text(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "numbers-text")
    assert re.search(rb'":\d+[,}]', usual.body)
    assert not re.search(rb'":\d+[,}]', odd.body)
    assert re.search(rb'"(index|output_index)":"0"', odd.body)
    assert odd.text == usual.text


async def test_calls_that_are_none(ask: Asker) -> None:
    odd = await ask(CHAT, TOOLS, "calls-empty")
    kinds = [delta["tool_calls"] for delta in odd.deltas]
    assert kinds.count({}) == len([delta for delta in odd.deltas if delta["function_call"] == ""]) - 8
    assert [kind[0]["index"] for kind in kinds if kind] == [0, 0, 1, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    ("quirk", "value"), [("error-empty-text", ""), ("error-empty-object", {}), ("error-false", False)]
)
async def test_an_error_that_is_none(ask: Asker, protocol: str, quirk: str, value: object) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    assert [data["error"] for data in odd.data] == [value] * len(usual.data)
    assert odd.text == usual.text
