"""Frames beside a log's chunks, and what our own reader of Chat makes of a whole stream."""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import given, settings

from api.dialects.openai_chat.events import OpenAIChatDialect
from api.viewing.dialect import Dialect, ResetReason
from shared.log import events
from shared.log.events import AnyEvent, Completed, Part, PartKind
from shared.log.snapshots import Snapshot
from shared.sse_decoder import SseDecoder
from tests.api.dialects.openai_chat.logs import DONE, FIRST, SUBJECT, entries, logs, snapshot, standing
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
