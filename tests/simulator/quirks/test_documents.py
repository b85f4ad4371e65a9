"""One JSON document in place of a stream."""

import json

import pytest

from tests.simulator.quirks.asked import ALL, GEMINI, TOOLS, Asker, same


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("quirk", "content_type"),
    [
        ("one-document", "application/json"),
        ("one-document-untyped", None),
        ("one-document-as-stream", "text/event-stream; charset=utf-8"),
    ],
)
async def test_a_stream_is_asked_for_and_a_document_comes(
    ask: Asker, protocol: str, stream: bool, quirk: str, content_type: str | None
) -> None:
    usual, odd = await ask(protocol, TOOLS, stream=False), await ask(protocol, TOOLS, quirk, stream=stream)
    assert odd.content_type == content_type
    assert odd.status == 200
    body = same(odd.body).replace(f"&quirk={quirk}".encode(), b"")
    assert json.loads(body) == json.loads(same(usual.body))


async def test_geminis_list(ask: Asker) -> None:
    usual = json.loads((await ask(GEMINI, TOOLS, stream=False)).body)
    odd = json.loads((await ask(GEMINI, TOOLS, "document-list")).body)
    parts = [chunk["candidates"][0]["content"]["parts"] for chunk in odd]
    assert [part for (part,) in parts] == usual["candidates"][0]["content"]["parts"]
    assert ["finishReason" in chunk["candidates"][0] for chunk in odd] == [False, False, True]
    assert odd[-1]["usageMetadata"] == usual["usageMetadata"]
