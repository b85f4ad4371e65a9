"""Answers whose finish reason came, and not their protocol's end: what completes them, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.config.protocols import Protocol
from shared.log.events import FinishReason, Response, Usage
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.anthropic.test_reader import START, event, text
from tests.worker.providers.conftest import Adapter
from tests.worker.providers.gemini.test_reader import chunk as gemini
from tests.worker.providers.gemini.test_reader import end as gemini_end
from tests.worker.providers.gemini.test_reader import event as gemini_event
from tests.worker.providers.gemini.test_reader import text as gemini_text
from tests.worker.providers.openai_chat.test_reader import chunk
from tests.worker.providers.upstream import End, Outcome, Reply, Upstream, outcome
from worker.providers.call_times import CALL_TIMES, CallTimes
from worker.providers.finish_reasons import BROKEN_OFF, MEANINGS, Finish, is_done, is_json, meaning, reason_of
from worker.providers.provider import Pause, ProviderError, ProviderEvent

Read = Callable[..., Awaitable[Outcome]]
STOP = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
PING = event("ping")


@dataclass(frozen=True)
class Spoken:
    """A protocol's text, the finish reason after it, and keep-alives."""

    said: bytes
    more: bytes
    finish: bytes
    alive: tuple[bytes, ...]


SPOKEN: dict[Protocol, Spoken] = {
    "openai-chat": Spoken(
        chunk({"content": "x"}), chunk({"content": "y"}), chunk({}, "stop"), (b": ka\n\n", b"\n", chunk({}))
    ),
    "anthropic": Spoken(START + text(0, "x"), text(1, "y"), STOP, (PING, b": ka\n\n")),
    "gemini": Spoken(gemini(gemini_text("x")), gemini(gemini_text("y")), gemini_end(), (b": ka\r\n\r\n", b"\r\n")),
}


@pytest.fixture
def read(upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]) -> Read:
    """What an adapter makes of these pieces."""

    async def made(protocol: Protocol, *pieces: bytes, end: End = "complete") -> Outcome:
        upstream.reply = Reply(pieces, end=end)
        # With what a busy machine may take.
        async with asyncio.timeout(CALL_TIMES.after_finish_s + 10):
            return await outcome(adapter(protocol, upstream.url), ask())

    return made


def texts(got: Outcome) -> str:
    return "".join(part["text"] for part in got.parts())


@pytest.mark.parametrize("end", ["complete", "hang", "abort"])
@pytest.mark.parametrize("protocol", list(SPOKEN))
@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.2)])
async def test_text_and_finish_reason_are_a_whole_answer(read: Read, protocol: Protocol, end: End) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, spoken.finish, *spoken.alive * 3, end=end)
    assert (got.error, texts(got), got.completed.finish_reason) == (None, "x", "stop")


@pytest.mark.parametrize("end", ["complete", "abort"])
@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_without_a_finish_reason_it_is_none(read: Read, protocol: Protocol, end: End) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, *spoken.alive, end=end)
    assert got.failure.code == ("incomplete_stream" if end == "complete" else "connection")
    assert texts(got) == "x"


@pytest.mark.parametrize("end", ["complete", "abort"])
@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_what_is_said_after_a_finish_reason_takes_it_back(read: Read, protocol: Protocol, end: End) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, spoken.finish, spoken.more, end=end)
    assert got.failure.code == ("incomplete_stream" if end == "complete" else "connection")
    again = await read(protocol, spoken.said, spoken.finish, spoken.more, spoken.finish)
    assert (again.error, texts(again)) == (None, "xy")
    # Who takes it back once may do so again: a cut proves nothing there.
    cut = await read(protocol, spoken.said, spoken.finish, spoken.more, spoken.finish, end="abort")
    assert cut.failure.code == "connection"


async def test_a_finish_reason_in_each_chunk(read: Read) -> None:
    pieces = [chunk({"content": letter}, "stop") for letter in "abc"]
    assert texts(await read("openai-chat", *pieces)) == "abc"
    assert (await read("openai-chat", pieces[0], end="abort")).failure.code == "connection"
    pieces = [gemini(gemini_text(letter)).replace(b'"index"', b'"finishReason": "STOP", "index"') for letter in "abc"]
    assert texts(await read("gemini", *pieces)) == "abc"


async def test_counts_come_after_the_finish_reason(read: Read) -> None:
    counts = {"prompt_tokens": 4, "completion_tokens": 2}
    got = await read("openai-chat", chunk({"content": "x"}), chunk({}, "stop"), b": ka\n\n", chunk(usage=counts))
    assert got.completed.usage == Usage(4, 2)


@pytest.mark.parametrize("protocol", list(SPOKEN))
@pytest.mark.parametrize("times", [CallTimes(after_finish_s=600.0)])
@pytest.mark.parametrize("word", [b"data: [DONE]\n\n", b"data: DONE\n\n", b'data: "[DONE]"\n\n', b"data:  [done]\n\n"])
async def test_any_spelling_of_done_ends_it(read: Read, protocol: Protocol, word: bytes) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, spoken.finish, word, end="hang")
    assert (got.error, texts(got)) == (None, "x")


CALL = {"index": 0, "id": "c", "function": {"name": "rain"}}
USE = {"type": "tool_use", "id": "t", "name": "rain", "input": {}}


def called(arguments: str) -> bytes:
    return chunk({"tool_calls": [{**CALL, "function": {"name": "rain", "arguments": arguments}}]})


def used(arguments: str) -> bytes:
    delta = {"type": "input_json_delta", "partial_json": arguments}
    return (
        START
        + event("content_block_start", index=0, content_block=USE)
        + event("content_block_delta", index=0, delta=delta)
    )


@pytest.mark.parametrize("end", ["complete", "hang", "abort"])
@pytest.mark.parametrize(("arguments", "whole"), [('{"a":1}', True), ("", True), ('{"a":', False)])
@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.2)])
async def test_half_of_a_tool_call_is_no_answer(read: Read, arguments: str, whole: bool, end: End) -> None:
    stopped = event("message_delta", delta={"stop_reason": "tool_use"})
    for got in (
        await read("openai-chat", called(arguments), chunk({}, "tool_calls"), end=end),
        await read("anthropic", used(arguments), stopped, end=end),
    ):
        if whole:
            assert (got.error, got.completed.finish_reason) == (None, "tool_calls")
        else:
            assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)


async def test_a_limit_may_cut_a_tool_call(read: Read) -> None:
    got = await read("openai-chat", called('{"a":'), chunk({}, "length"))
    assert (got.error, got.completed.finish_reason) == (None, "length")


async def test_an_error_as_the_last_event_is_the_error(read: Read) -> None:
    error: dict[str, Any] = {"error": {"type": "overloaded_error", "message": "x"}}
    got = await read("anthropic", START + text(0, "x"), event("error", **error)[:-2])
    assert got.failure.code == "overloaded"
    got = await read("openai-chat", chunk({"content": "x"}), chunk(**error)[:-1])
    assert got.failure.code == "overloaded"


ERRORS = {
    "openai-chat": chunk(error={"code": 503, "message": "x"}),
    "anthropic": event("error", error={"type": "overloaded_error", "message": "x"}),
    "gemini": gemini_event({"error": {"code": 503, "status": "UNAVAILABLE"}}),
}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "no blank line"])
@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_an_error_takes_nothing_from_a_certain_end(read: Read, protocol: Protocol, cut: bool) -> None:
    spoken, error = SPOKEN[protocol], ERRORS[protocol]
    last = error.rstrip() if cut else error
    got = await read(protocol, spoken.said, spoken.finish, last)
    assert (got.error, texts(got), got.completed.finish_reason) == (None, "x", "stop")
    got = await read(protocol, spoken.said, last)
    assert got.failure.code == "overloaded"


async def test_an_error_that_no_new_try_mends_stands(read: Read) -> None:
    refused = chunk(error={"code": "content_filter", "message": "x"})
    got = await read("openai-chat", chunk({"content": "x"}), chunk({}, "stop"), refused)
    assert (got.failure.code, got.failure.retryable) == ("content_filter", False)


ROLE = chunk({"role": "assistant", "content": ""}, "stop")


@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.2)])
async def test_a_stop_before_the_first_word_may_be_a_stamp(read: Read) -> None:
    got = await read("openai-chat", ROLE, end="abort")
    assert got.failure.code == "connection"
    got = await read("openai-chat", ROLE, *[chunk({})] * 3, chunk({"content": "x"}, "stop"), chunk({}, "stop"))
    assert (got.error, texts(got)) == (None, "x")
    for empty in (
        await read("openai-chat", ROLE),
        await read("openai-chat", ROLE, chunk(usage={"prompt_tokens": 4, "completion_tokens": 0}), end="hang"),
        await read("openai-chat", chunk({"role": "assistant"}, "content_filter"), end="hang"),
    ):
        assert (empty.error, texts(empty)) == (None, "")


async def test_thinking_after_a_stamp_is_waited_for(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]
) -> None:
    upstream.reply = Reply([ROLE], end="hang")
    answer = adapter("openai-chat", upstream.url).stream(ask(), "m")
    async with asyncio.timeout(10):
        assert not isinstance(await anext(answer), Pause)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(answer)
    await answer.aclose()


WORDS = (b"data: ping\n\n", b"data: [PING]\n\n", b"event: keepalive\ndata: 17\n\n", b"event: heartbeat\ndata: .\n\n")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_a_keep_alive_that_is_no_json(read: Read, protocol: Protocol, word: bytes) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, word, spoken.finish, word)
    assert (got.error, texts(got)) == (None, "x")


@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_half_an_event_is_not_used(read: Read, protocol: Protocol) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, spoken.finish.rstrip()[:-3])
    assert (got.failure.code, texts(got)) == ("incomplete_stream", "x")


@pytest.mark.parametrize("protocol", list(SPOKEN))
async def test_a_keep_alive_is_a_sign_of_life(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest], protocol: Protocol
) -> None:
    upstream.reply = Reply([SPOKEN[protocol].alive[0]], end="hang")
    answer = adapter(protocol, upstream.url).stream(ask(), "m")
    async with asyncio.timeout(10):
        events = await anext(answer)
    await answer.aclose()
    assert not [event for event in events if not isinstance(event, Response)]


async def test_the_wait_for_an_end_is_announced(
    upstream: Upstream, adapter: Adapter, ask: Callable[..., GenerationRequest]
) -> None:
    upstream.reply = Reply([SPOKEN["anthropic"].said, SPOKEN["anthropic"].finish], end="hang")
    answer = adapter("anthropic", upstream.url).stream(ask(), "m")
    events: list[ProviderEvent] = []
    async with asyncio.timeout(10):
        while not isinstance(events, Pause):
            events = await anext(answer)
    await answer.aclose()
    assert events.seconds > CALL_TIMES.after_finish_s


def test_what_a_finish_reason_is_worth() -> None:
    finish = Finish()
    assert (finish.stands, finish.certain) == (False, False)
    finish.read("stop", [], counts=False)
    assert (finish.reason, finish.stands, finish.certain) == ("stop", True, True)


@pytest.mark.parametrize(("text", "whole"), [("", True), ("  ", True), ("{}", True), ("{", False), ('"a', False)])
def test_whole_json(text: str, whole: bool) -> None:
    assert is_json(text) == whole


@pytest.mark.parametrize(("data", "done"), [(b"[DONE]", True), (b"{}", False), (b"", False), (b"[DON", False)])
def test_the_word_done(data: bytes, done: bool) -> None:
    assert is_done(data) == done


def finish(protocol: Protocol, reason: str) -> bytes:
    """An answer's end with another word."""
    return (
        SPOKEN[protocol]
        .finish.replace(b'"stop"', b'"%s"' % reason.encode())
        .replace(b'"end_turn"', b'"%s"' % reason.encode())
        .replace(b'"STOP"', b'"%s"' % reason.encode())
    )


@pytest.mark.parametrize("protocol", list(SPOKEN))
@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("end", "stop"), ("end_turn", "stop"), ("STOP", "stop"), ("Stop", "stop"), ("eos", "stop"),
        ("MAX_TOKENS", "length"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
        ("sensitive", "content_filter"), ("SAFETY", "content_filter"), ("Content_Filter", "content_filter"),
        ("content_filter: hate (high)", "content_filter"), ("pause_turn", "paused"), ("load_balanced", "other"),
    ],
)  # fmt: skip
async def test_a_finish_reason_in_any_spelling(
    read: Read, protocol: Protocol, reason: str, meant: FinishReason
) -> None:
    got = await read(protocol, SPOKEN[protocol].said, finish(protocol, reason))
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == (meant, reason)


@pytest.mark.parametrize("protocol", list(SPOKEN))
@pytest.mark.parametrize("reason", ["abort", "network_error", "insufficient_system_resource", "ERROR"])
async def test_an_answer_that_broke_off_there_is_tried_again(read: Read, protocol: Protocol, reason: str) -> None:
    got = await read(protocol, SPOKEN[protocol].said, finish(protocol, reason), b"data: [DONE]\n\n")
    assert (got.failure.code, got.failure.retryable, texts(got)) == ("provider_error", True, "x")


@pytest.mark.parametrize("protocol", list(SPOKEN))
@pytest.mark.parametrize("word", ["null", "NULL", "", "none"])
async def test_a_word_for_no_finish_reason(read: Read, protocol: Protocol, word: str) -> None:
    spoken = SPOKEN[protocol]
    got = await read(protocol, spoken.said, finish(protocol, word))
    assert got.failure.code == "incomplete_stream"
    again = await read(protocol, spoken.said, finish(protocol, word), spoken.more, spoken.finish)
    assert (again.error, texts(again)) == (None, "xy")


def test_what_a_finish_reason_means_depends_on_calls() -> None:
    assert [meaning(reason, called=True) for reason in ("stop", "TOOL_USE", "length", None)] == [
        "tool_calls", "tool_calls", "length", "other",
    ]  # fmt: skip
    assert [meaning(reason, called=False) for reason in ("stop", "tool_calls")] == ["stop", "other"]
    assert all(word == word.lower() for word in (*MEANINGS, *BROKEN_OFF))


@pytest.mark.parametrize("given", [None, 5, False, {}, [], "FINISH_REASON_UNSPECIFIED"])
def test_what_is_no_finish_reason(given: object) -> None:
    assert reason_of("acme", given) is None


def test_the_provider_says_in_which_word_it_broke_off() -> None:
    with pytest.raises(ProviderError, match="finish_reason abort"):
        reason_of("acme", "ABORT: PROMPT")
