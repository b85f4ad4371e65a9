"""Errors in the middle of an answer, or in its place with status 200."""

import json
from typing import Any

import pytest

from simulator.quirks.errors import WORDS
from simulator.quirks.registry import QUIRKS
from tests.simulator.quirks.asked import ALL, CHAT, GEMINI, LOREM, RESPONSES, Asker

LIMIT = {"message": WORDS, "type": "rate_limit_error", "code": "rate_limit_exceeded"}
SHAPES: dict[str, tuple[str, Any]] = {
    "error-event-flat": ("error", {"code": 429, "message": WORDS}),
    "error-event-typed": ("error", {"type": "overloaded_error", "message": WORDS}),
    "error-event-nested": ("error", {"error": LIMIT}),
    "error-event-status": ("error", {"error": WORDS, "status": 429}),
    "error-event-text": ("error", WORDS),
    "error-unnamed": ("", {"error": LIMIT}),
    "error-code-text": ("", {"error": {"message": WORDS, "type": "None", "param": "None", "code": "429"}}),
    "error-text": ("", {"error": WORDS}),
    "error-flat": ("", {"code": "Throttling", "message": WORDS, "request_id": "r"}),
    "error-detail": ("", {"detail": WORDS}),
    "error-list": ("", [{"error": {"code": 429, "message": WORDS, "status": "RESOURCE_EXHAUSTED"}}]),
    "error-base-resp": ("", {"base_resp": {"status_code": 1002, "status_msg": WORDS}}),
}


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("quirk", SHAPES)
async def test_an_error_after_half_of_the_answer(ask: Asker, protocol: str, quirk: str) -> None:
    if protocol not in QUIRKS[quirk].protocols:
        return
    usual, odd = await ask(protocol, LOREM), await ask(protocol, LOREM, quirk)
    place = -2 if protocol == CHAT else -1
    assert odd.events[place] == SHAPES[quirk]
    said = odd._replace(body=b"\n\n".join(odd.blocks[:place])).text
    assert said.split() == usual.text.split()[:3]
    assert (odd.events[-1] == ("", "[DONE]")) == (protocol == CHAT)


@pytest.mark.parametrize("protocol", ALL)
async def test_an_error_that_is_no_event(ask: Asker, protocol: str) -> None:
    field, bare = await ask(protocol, LOREM, "error-field"), await ask(protocol, LOREM, "error-bare")
    # In Chat `[DONE]` follows an event.
    lines = [answer.body.removesuffix(b"data: [DONE]\n\n").splitlines() for answer in (field, bare)]
    last = [[line for line in of if line][-1] for of in lines]
    assert last[0].startswith(b'error: {"code": 500')
    assert json.loads(last[1]) == {"error": LIMIT}
    assert bare.body.endswith(b"}\n")
    assert all(WORDS.encode() in line for line in last)


@pytest.mark.parametrize(
    ("quirk", "code"),
    [("failed-then-error", "rate_limit_exceeded"), ("failed-then-filter", "content_filter"), ("failed-alone", None)],
)
async def test_a_failure_without_a_cause(ask: Asker, quirk: str, code: str | None) -> None:
    odd = await ask(RESPONSES, LOREM, quirk)
    ends = [(name, data) for name, data in odd.events if name in ("response.failed", "error")]
    assert ends[0][1]["response"]["status"] == "failed"
    assert ends[0][1]["response"]["error"] is None
    assert [data["error"]["code"] for name, data in ends if name == "error"] == ([code] if code else [])
    assert odd.events[-1] == ends[-1]
    assert [data["sequence_number"] for data in odd.data] == list(range(len(odd.data)))


DOCUMENTS: dict[str, Any] = {
    "error-document": {"error": LIMIT},
    "error-document-typed": {"type": "error", "error": LIMIT},
    "error-document-text": {"error": WORDS},
    "error-document-flat": {"code": 429, "message": WORDS},
    "error-document-list": SHAPES["error-list"][1],
    "error-document-key": {"error": {"message": WORDS, "code": "invalid_api_key"}},
    "error-document-base-resp": {"base_resp": {"status_code": 1004, "status_msg": WORDS}},
}


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("quirk", DOCUMENTS)
async def test_an_error_in_place_of_the_answer(ask: Asker, protocol: str, quirk: str) -> None:
    if protocol not in QUIRKS[quirk].protocols:
        return
    odd = await ask(protocol, LOREM, quirk)
    assert (odd.status, odd.content_type) == (200, "application/json")
    assert json.loads(odd.body) == DOCUMENTS[quirk]


async def test_geminis_line_ends_stay(ask: Asker) -> None:
    assert (await ask(GEMINI, LOREM, "error-detail")).body.endswith(b"}\r\n\r\n")
