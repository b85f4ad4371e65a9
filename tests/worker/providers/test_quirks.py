"""Every oddity that the simulator can send, read by the real adapter: it is the usual answer, or an honest failure.

The simulator is a process of its own. What an odd answer says is compared with the same script without its quirk.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from shared.config.protocols import Protocol
from shared.log.events import Usage
from shared.request.generation_request import GenerationRequest
from simulator.quirks import chat_shapes, documents, ends
from simulator.quirks.errors import WORDS
from simulator.quirks.registry import QUIRKS
from tests.quirk_outcomes import DIFFERENCES, FAILURES, Differs, Failure, of
from tests.simulator.quirks.asked import CHAT, GEMINI, LOREM, MESSAGES, RESPONSES, TOOLS, shown_by
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.upstream import Outcome, outcome
from worker.providers.call_times import CallTimes

PROTOCOLS: dict[str, Protocol] = {
    CHAT: "openai-chat",
    RESPONSES: "openai-responses",
    MESSAGES: "anthropic",
    GEMINI: "gemini",
}
MANY = "lorem?deltas=60&rate=0"
"""In place of the simulator's own script: an event too many for each delta shows."""


class Said(NamedTuple):
    """What an answer comes to."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    usage: Usage | None
    finish: str


AS_STOP = ("finish-as-end", "finish-as-end-turn", "finish-as-small-stop", "finish-as-capital-stop")
"""Words for a stop, which are tried without a call too."""
AROUND_CALLS = [quirk.name for quirk in (*chat_shapes.QUIRKS, *documents.QUIRKS)] + ["usage-in-choice", "response-done"]
"""Quirks that are tried with calls too."""
TAKEN_BACK = ("finish-every-chunk", "finish-halfway", "finish-leading")
"""Where more was said after a finish reason, the last one is not certain."""

CASES = [(protocol, quirk.name, "") for quirk in QUIRKS.values() for protocol in quirk.protocols]
CASES += [(protocol, name, LOREM) for name in AS_STOP for protocol in QUIRKS[name].protocols]
CASES += [(protocol, name, TOOLS) for name in AROUND_CALLS for protocol in QUIRKS[name].protocols]

Ask = Callable[..., GenerationRequest]


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def said_by(answer: Outcome) -> Said:
    """What an answer that was completed comes to; checks what holds of any."""
    assert answer.error is None, answer.error.message
    parts = answer.parts()
    # The call that has drawn an image is the provider's.
    calls = [part for part in parts if part["kind"] == "tool_call" and part.get("name") != "image_generation"]
    ids = [call.get("call_id", "") for call in calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert {call["executor"] for call in calls} <= {"client"}
    texts = {kind: "".join(part["text"] for part in parts if part["kind"] == kind) for kind in ("text", "reasoning")}
    return Said(
        texts["text"],
        texts["reasoning"],
        [(call.get("name", ""), _arguments(call["text"])) for call in calls],
        answer.completed.usage,
        answer.completed.finish_reason,
    )


def differences(answer: Outcome, expected: Said) -> list[str]:
    """The fields in which an answer is not what is expected."""
    try:
        said = said_by(answer)
    except AssertionError:
        return ["what holds of any"]
    return [name for name in Said._fields if getattr(said, name) != getattr(expected, name)]


def _count(answer: Outcome, kind: str) -> int:
    """How many parts of this kind say anything; what is opaque says nothing."""
    return sum(part["kind"] == kind and bool(part["text"]) for part in answer.parts())


def right(protocol: str, quirk: str, usual: Outcome) -> Said:
    """What an odd answer should come to, where the usual one is this."""
    plain = said_by(usual)
    differs: Differs = of(DIFFERENCES, protocol, quirk) or Differs()
    return plain._replace(
        finish=differs.finish or plain.finish,
        usage=None if differs.uncounted else plain.usage,
        calls=[] if differs.uncalled else plain.calls,
    )


def shown(quirk: str) -> tuple[str, str]:
    """Script and prompt of an answer on which a quirk can be seen."""
    script, prompt = shown_by(quirk)
    return MANY if script == LOREM else script, prompt


@pytest.fixture
def times() -> CallTimes:
    return CallTimes(begin_s=30, after_finish_s=0.5)


@pytest.mark.parametrize(
    ("protocol", "quirk", "script"),
    CASES,
    ids=["-".join(filter(None, (*pair, script.partition("?")[0]))) for *pair, script in CASES],
)
async def test_an_odd_answer_is_the_usual_one_or_an_honest_failure(
    simulator: str, adapter: Adapter, ask: Ask, protocol: str, quirk: str, script: str
) -> None:
    model, prompt = shown(quirk)
    model = script or model
    request = ask(messages=[{"role": "user", "content": prompt}])
    provider = adapter(PROTOCOLS[protocol], simulator)
    odd = await outcome(provider, request, f"{model}&quirk={quirk}")
    assert WORDS not in repr(odd.events)
    expected: Failure | None = of(FAILURES, protocol, quirk)
    if expected is not None:
        assert odd.error is not None, odd.completed
        assert (expected.code or odd.failure.code, expected.retryable) == (odd.failure.code, odd.failure.retryable)
        assert expected.shown in odd.failure.message
        assert WORDS not in odd.failure.message
        return
    usual = await outcome(provider, request, model)
    assert said_by(odd) == right(protocol, quirk, usual)
    assert _count(odd, "text") == _count(usual, "text")
    assert _count(odd, "reasoning") <= _count(usual, "reasoning")
    # What changes with each token is not kept with each token.
    assert len(odd.raw()) <= len(usual.raw()) + 5
    if quirk == "large-image":
        assert [len(part["text"]) for part in odd.parts() if part["kind"] == "file"] == [20_000_000]


ENDS = [(protocol, quirk.name) for quirk in ends.QUIRKS for protocol in quirk.protocols]
WHOLE = {
    protocol: [
        name
        for name, quirk in QUIRKS.items()
        if protocol in quirk.events
        and quirk not in ends.QUIRKS
        and name != "large-image"
        # What has no finish reason has no end but its marker.
        and name != "finish-missing"
        and of(FAILURES, protocol, name) is None
    ]
    for protocol in PROTOCOLS
}
"""By protocol: the quirks whose answers are completed, and can end in another way."""


@pytest.mark.parametrize(("protocol", "end"), ENDS, ids=["-".join(pair) for pair in ENDS])
async def test_every_odd_answer_can_end_in_every_odd_way(
    simulator: str, adapter: Adapter, ask: Ask, protocol: str, end: str
) -> None:
    provider = adapter(PROTOCOLS[protocol], simulator)
    at_once = asyncio.Semaphore(20)

    async def wrong(quirk: str) -> str | None:
        """Says what is wrong with the odd answer, if anything."""
        model, prompt = shown(quirk)
        request = ask(messages=[{"role": "user", "content": prompt}])
        try:
            # A call that nothing ends fails; the watchdog, which ends such calls, is not here.
            async with at_once, asyncio.timeout(20):
                usual = await outcome(provider, request, model)
                odd = await outcome(provider, request, f"{model}&quirk={quirk},{end}")
        except TimeoutError:
            return f"{quirk} has no end"
        if end == "reset-after-finish" and quirk in TAKEN_BACK and odd.error is not None and odd.error.retryable:
            return None
        if odd.error is not None:
            return f"{quirk} fails: {odd.error.message}"
        differing = differences(odd, right(protocol, quirk, usual))
        return f"{quirk} differs in {', '.join(differing)}" if differing else None

    found = await asyncio.gather(*map(wrong, WHOLE[protocol]))
    assert not any(found), "\n".join(filter(None, found))


def test_the_tables_name_quirks_that_there_are() -> None:
    names = {key if isinstance(key, str) else key[1] for key in [*FAILURES, *DIFFERENCES]}
    assert names <= set(QUIRKS)


async def test_the_usual_answers_have_something_to_lose(simulator: str, adapter: Adapter, ask: Ask) -> None:
    for protocol in PROTOCOLS.values():
        usual = said_by(await outcome(adapter(protocol, simulator), ask(), TOOLS))
        assert [name for name, _ in usual.calls] == ["get_weather", "get_time"]
        assert usual.finish == "tool_calls"
        assert usual.usage is not None
        assert usual.text
