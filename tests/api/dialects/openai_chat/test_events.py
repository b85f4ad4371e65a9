"""Frames beside a log's chunks, and what our own reader of Chat makes of a whole stream."""

from __future__ import annotations

import json
from typing import Any, get_args

import httpx2
import openai
import pytest
from hypothesis import given, settings

from api.dialects.openai_chat.events import OpenAIChatDialect
from api.viewing.dialect import Dialect, ResetReason
from shared.log import events
from shared.log.events import AnyEvent, Cancelled, Completed, Failed, Part, PartKind
from shared.log.snapshots import Snapshot
from shared.sse_decoder import SseDecoder
from tests.api.dialects.openai_chat.logs import DONE, FIRST, SUBJECT, entries, framed, logs, snapshot, standing
from worker.providers.answer_decoder import AnswerDecoder
from worker.providers.answer_reading import read_event
from worker.providers.openai_chat.reader import ChatReader
from worker.providers.provider import ProviderEvent

dialect: Dialect = OpenAIChatDialect()


def test_what_chat_has_no_word_for_is_not_said() -> None:
    assert dialect.opening() == dialect.drain == dialect.queued("gen_x", 3) == b""
    assert {dialect.reset(reason) for reason in get_args(ResetReason)} == {b""}


def test_heartbeats_and_the_ending() -> None:
    frames = [frame for entry in entries([FIRST, DONE]) for frame in dialect.framer(SUBJECT).frames(entry)]
    wire = dialect.heartbeat + b"".join(frames) + dialect.heartbeat + dialect.ending
    decoded = list(SseDecoder().feed(wire))
    assert [event.data for event in decoded[1:]] == [b"[DONE]"]
    assert {(event.event, event.id) for event in decoded} == {("message", "")}


def client(wire: bytes) -> openai.AsyncOpenAI:
    """A client of OpenAI's that is answered with these bytes."""
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=wire))
    return openai.AsyncOpenAI(
        api_key="k", base_url="http://localhost/v1", http_client=httpx2.AsyncClient(transport=transport)
    )


def wire(log: list[AnyEvent]) -> bytes:
    return dialect.heartbeat + dialect.heartbeat.join(framed(log)) + dialect.ending


async def test_the_sdk_streams_text_and_tools_whose_schema_is_strict() -> None:
    log: list[AnyEvent] = [FIRST, Part(part=0, kind="text"), events.Delta(part=0, kind="text", delta="Hi")]
    begun = [Part(part=at, kind="tool_call", call_id=f"c{at}", name="f", executor="client") for at in (1, 2)]
    # By turns, which the SDK would take for calls with half of their arguments.
    log += begun
    for piece in ('{"a"', ":1}"):
        log += [events.Delta(part=at, kind="tool_call", delta=piece) for at in (1, 2)]
    log += [events.PartEnd(part=at, signature="S", provider="gemini") for at in (1, 2)]
    log += [Completed(finish_reason="tool_calls", usage=events.Usage(input_tokens=1))]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    stream = client(wire(log)).chat.completions.stream(
        model="gpt-5",
        messages=[{"role": "user", "content": "?"}],
        tools=[tool],  # type: ignore[list-item]  # as a caller writes it
    )
    async with stream as told:
        done = [event async for event in told if event.type == "tool_calls.function.arguments.done"]
        final = await told.get_final_completion()
    assert [(event.index, event.parsed_arguments) for event in done] == [(0, {"a": 1}), (1, {"a": 1})]
    assert final.choices[0].message.content == "Hi"
    assert final.usage is not None


@pytest.mark.parametrize(
    ("end", "code"),
    [(Failed(code="overloaded", message="acme: busy", retryable=True), "overloaded"), (Cancelled(), "cancelled")],
)
async def test_the_sdk_raises_what_ends_a_stream_early(end: AnyEvent, code: str) -> None:
    log: list[AnyEvent] = [FIRST, Part(part=0, kind="text"), events.Delta(part=0, kind="text", delta="Hi"), end]
    stream = await client(wire(log)).chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "?"}], stream=True
    )
    said: list[str | None] = []

    async def follow() -> None:
        async for chunk in stream:
            said.append(chunk.choices[0].delta.content)

    with pytest.raises(openai.APIError) as error:
        await follow()
    assert (said, error.value.code) == (["", "Hi"], code)


def read(frames: list[bytes]) -> Snapshot:
    """What our reader makes of a stream, with comments between its events."""
    reader, said = ChatReader("acme"), []
    decoder = AnswerDecoder()
    for event in decoder.feed(dialect.heartbeat + dialect.heartbeat.join(frames) + dialect.ending):
        found: list[ProviderEvent] = []
        read_event("acme", reader, event, found)
        said += found
    assert reader.ended
    return snapshot([FIRST, *said])


def texts(said: Snapshot, kind: PartKind) -> str:
    return "".join(part.text for part in said.parts if part.kind == kind)


def calls(said: Snapshot) -> list[tuple[Any, ...]]:
    return [
        (part.call_id, part.name, json.loads(part.text))
        for part in said.parts
        if part.kind == "tool_call" and part.executor != "provider"
    ]


def opaque(said: Snapshot) -> list[str]:
    """What was signed or encrypted, as it goes out."""
    return [
        value if value.startswith("ms1:") else f"ms1:{part.provider}:{value}"
        for part in said.parts
        for value in (part.signature, part.encrypted)
        if value and part.executor != "provider"
    ]


def images(said: Snapshot) -> list[tuple[str | None, str]]:
    return [(part.media_type, part.text) for part in said.parts if part.kind == "file" and part.ended]


@given(logs(completed=True))
@settings(max_examples=200)
def test_our_reader_reads_what_was_logged(log: list[AnyEvent]) -> None:
    whole = snapshot(log)
    broken = [part for part in whole.parts if not part.ended and part.kind == "tool_call"]
    if broken:
        # A call that broke off in an attempt that another continued is half of one.
        return
    got = read(standing(log)[0])
    kinds: tuple[PartKind, ...] = ("text", "reasoning", "refusal")
    assert {kind: texts(got, kind) for kind in kinds} == {kind: texts(whole, kind) for kind in kinds}
    assert calls(got) == calls(whole)
    assert images(got) == images(whole)
    assert sorted(opaque(got)) == sorted(opaque(whole))
    assert got.usage == whole.usage
    assert isinstance(got.end, Completed)
    wanted = "tool_calls" if calls(whole) else "stop"
    assert got.end.finish_reason == wanted


def test_thoughts_that_are_signed_stay_apart_and_are_told_once() -> None:
    log: list[AnyEvent] = [FIRST]
    for at, text in enumerate(("Hm.", "Hm.")):
        log += [
            Part(part=at, kind="reasoning"),
            events.Delta(part=at, kind="reasoning", delta=text),
            events.PartEnd(part=at, signature=f"S{at}", provider="anthropic"),
        ]
    got = read(standing([*log, DONE])[0])
    assert [(part.text, part.signature) for part in got.parts] == [
        ("Hm.", "ms1:anthropic:S0"),
        ("Hm.", "ms1:anthropic:S1"),
    ]
