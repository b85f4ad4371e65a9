"""Ends in other words, and ends that do not fit what was said."""

import pytest

from tests.simulator.quirks.asked import CHAT, GEMINI, LOREM, MESSAGES, RESPONSES, TOOLS, Asker

WORDS = {
    "end": "end",
    "end-turn": "end_turn",
    "capital-stop": "STOP",
    "small-stop": "stop",
    "tool-use": "tool_use",
    "tool-calls": "tool_calls",
    "context-window": "model_context_window_exceeded",
    "max-tokens": "MAX_TOKENS",
    "length": "length",
    "sensitive": "sensitive",
    "safety": "SAFETY",
    "filter-text": "content_filter: hate",
}
OWN = {"end-turn": MESSAGES, "capital-stop": GEMINI, "small-stop": CHAT, "tool-use": MESSAGES, "tool-calls": CHAT}


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES, GEMINI])
@pytest.mark.parametrize(("name", "word"), WORDS.items())
async def test_the_last_reason_is_the_word(ask: Asker, protocol: str, name: str, word: str) -> None:
    odd = await ask(protocol, TOOLS, f"finish-as-{name}")
    if OWN.get(name) == protocol:
        assert odd.status == 400
    else:
        assert [reason for reason in odd.reasons if reason] == [word]


@pytest.mark.parametrize(("name", "word"), WORDS.items())
async def test_a_response_that_is_incomplete(ask: Asker, name: str, word: str) -> None:
    usual, odd = await ask(RESPONSES, TOOLS), await ask(RESPONSES, TOOLS, f"finish-as-{name}")
    if name in ("end", "end-turn", "capital-stop", "small-stop", "tool-use", "tool-calls"):
        assert odd.status == 400
        return
    event, data = odd.events[-1]
    assert event == data["type"] == "response.incomplete"
    assert data["response"]["incomplete_details"] == {"reason": word}
    assert len(data["response"]["output"]) == len(usual.data[-1]["response"]["output"]) == 3
    assert data["response"]["usage"] == usual.data[-1]["response"]["usage"]


@pytest.mark.parametrize(
    ("protocol", "quirk", "reason"),
    [
        (CHAT, "stop-with-call", "stop"),
        (MESSAGES, "stop-with-call", "end_turn"),
        (MESSAGES, "stop-sequence-with-call", "stop_sequence"),
    ],
)
async def test_a_call_and_a_usual_stop(ask: Asker, protocol: str, quirk: str, reason: str) -> None:
    odd = await ask(protocol, TOOLS, quirk)
    assert [said for said in odd.reasons if said] == [reason]
    assert b"get_weather" in odd.body


@pytest.mark.parametrize(("protocol", "reason"), [(CHAT, "tool_calls"), (MESSAGES, "tool_use")])
async def test_a_calls_reason_and_no_call(ask: Asker, protocol: str, reason: str) -> None:
    odd = await ask(protocol, LOREM, "call-reason-without-call")
    assert [said for said in odd.reasons if said] == [reason]
    assert b"get_weather" not in odd.body
