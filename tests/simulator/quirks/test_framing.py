"""The same events in another dress."""

import json

import pytest

from tests.simulator.quirks.asked import ALL, CHAT, GEMINI, LOREM, MESSAGES, RESPONSES, Asker, same


def unnamed(body: bytes, quirk: str) -> bytes:
    """Without what is each answer's own."""
    return same(body).replace(f"&quirk={quirk}".encode(), b"")


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(("quirk", "content_type"), [("sse-as-json", "application/json"), ("sse-untyped", None)])
async def test_the_type_of_the_whole(ask: Asker, protocol: str, quirk: str, content_type: str | None) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    assert odd.content_type == content_type
    assert unnamed(odd.body, quirk) == same(usual.body)


@pytest.mark.parametrize("protocol", [RESPONSES, MESSAGES])
async def test_names_and_types_are_said_once(ask: Asker, protocol: str) -> None:
    usual = await ask(protocol, LOREM)
    unsaid, no_name = await ask(protocol, LOREM, "type-unsaid"), await ask(protocol, LOREM, "event-unnamed")
    assert b"event:" not in no_name.body
    assert [data["type"] for data in no_name.data] == [name for name, _ in usual.events]
    assert [name for name, _ in unsaid.events] == [name for name, _ in usual.events]
    assert not any("type" in data for data in unsaid.data)


@pytest.mark.parametrize("protocol", ALL)
async def test_line_ends_are_the_other_ones(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "line-ends")
    if protocol == GEMINI:
        assert b"\r" not in odd.body
    else:
        assert odd.body.count(b"\n") == odd.body.count(b"\r\n") == usual.body.count(b"\n")
    assert odd.text == usual.text


@pytest.mark.parametrize("protocol", ALL)
async def test_no_blank_after_the_colon(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "no-blank-after-colon")
    lines = [line for line in odd.body.splitlines() if line]
    assert all(line.startswith((b"data:{", b"data:[", b"event:")) for line in lines)
    assert not any(line.startswith(b"event: ") for line in lines)
    assert odd.text == usual.text


@pytest.mark.parametrize("protocol", ALL)
async def test_control_characters_stand_as_they_are(ask: Asker, protocol: str) -> None:
    prompt = 'a\tb\x01c\x1fd\n"e\\t"\r\x7f'
    odd = await ask(protocol, "echo?chunk=99&rate=0", "control-characters", prompt)
    assert b'a\tb\x01c\x1fd\\n\\"e\\\\t\\"\\r\x7f' in odd.body
    with pytest.raises(json.JSONDecodeError):
        _ = odd.data


@pytest.mark.parametrize("protocol", ALL)
async def test_a_byte_order_mark(ask: Asker, protocol: str) -> None:
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, "bom")
    assert odd.body.startswith(b"\xef\xbb\xbf")
    assert unnamed(odd.body[3:], "bom") == same(usual.body)


async def test_chat_keeps_its_marker_in_each_dress(ask: Asker) -> None:
    assert (await ask(CHAT, LOREM, "line-ends")).body.endswith(b"data: [DONE]\r\n\r\n")
    assert (await ask(CHAT, LOREM, "no-blank-after-colon")).body.endswith(b"data:[DONE]\n\n")
