"""Gemini streams, as the service and the servers that imitate it send them, over real HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from google.genai import Client
from google.genai.types import GenerateContentResponse, HttpOptions
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from shared.config.protocols import Protocol
from shared.log.events import Annotation, Part, Raw, Response, Usage, UsageReport
from shared.request.generation_request import GenerationRequest
from shared.sse_decoder import SseDecoder
from tests.worker.providers.upstream import Outcome, Upstream, outcome
from worker.providers.call_times import CallTimes
from worker.providers.gemini.reader import GeminiReader
from worker.providers.provider import Provider, ProviderError, ProviderEvent, adds
from worker.providers.stream import follow

Read = Callable[..., Any]

NAMED = {"modelVersion": "gemini-x-001", "responseId": "r-1"}
COUNTS = {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6}


def event(value: Any) -> bytes:
    return b"data: %s\r\n\r\n" % json.dumps(value, ensure_ascii=False).encode()


def chunk(*parts: dict[str, Any], **candidate: Any) -> bytes:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return event({"candidates": [{**content, "index": 0, **candidate}], "usageMetadata": COUNTS, **NAMED})


def text(said: str, **fields: Any) -> dict[str, Any]:
    return {"text": said, **fields}


def call(name: str, args: Any = None, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args})} | fields}


def end(reason: str = "STOP", *parts: dict[str, Any], **candidate: Any) -> bytes:
    return chunk(*(parts or (text(""),)), finishReason=reason, **candidate)


def raws(got: Outcome) -> list[Any]:
    assert all(event.protocol == "gemini" for event in got.events if isinstance(event, Raw))
    return [event.data for event in got.events if isinstance(event, Raw)]


async def test_text_goes_on_over_chunks(read: Read) -> None:
    got = await read(chunk(text("Be"), text("cause ")), chunk(text("")), chunk(text("of light.")) + end())
    assert got.parts() == [{"kind": "text", "text": "Because of light."}]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("stop", "STOP")
    assert got.completed.response_id == "r-1"
    assert [e for e in got.events if isinstance(e, Response)] == [Response(response_id="r-1", model="gemini-x-001")]


async def test_thoughts_are_reasoning_and_a_summary(read: Read) -> None:
    got = await read(chunk(text("Hm", thought=True)) + chunk(text("m.", thought=True)) + chunk(text("Light.")) + end())
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm.", "summary": True},
        {"kind": "text", "text": "Light."},
    ]


SIGNED = {"signature": "c2ln", "provider": "gemini"}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [chunk(text("a", thoughtSignature="c2ln")), chunk(text("b"))],
            [{"kind": "text", "text": "ab", **SIGNED}],
            id="on the first text",
        ),
        pytest.param(
            [chunk(text("a")), chunk(text("", thoughtSignature="c2ln"))],
            [{"kind": "text", "text": "a", **SIGNED}],
            id="on an empty text",
        ),
        pytest.param(
            [chunk(text("a")), chunk({"thoughtSignature": "c2ln"})],
            [{"kind": "text", "text": "a", **SIGNED}],
            id="alone",
        ),
        pytest.param(
            [chunk(text("h", thought=True, thoughtSignature="c2ln")), chunk(text("a"))],
            [{"kind": "reasoning", "text": "h", "summary": True, **SIGNED}, {"kind": "text", "text": "a"}],
            id="on a thought",
        ),
        pytest.param(
            [chunk(text("a", thoughtSignature="YQ==")), chunk(text("b", thoughtSignature="c2ln"))],
            [{"kind": "text", "text": "a", **SIGNED, "signature": "YQ=="}, {"kind": "text", "text": "b", **SIGNED}],
            id="two of them",
        ),
        pytest.param(
            [chunk(call("rain")), chunk(text("", thoughtSignature="c2ln"))],
            [
                {"kind": "tool_call", "text": "{}", "call_id": "call_0", "name": "rain", "executor": "client"},
                {"kind": "text", "text": "", **SIGNED},
            ],
            id="after a call",
        ),
    ],
)
async def test_signatures(read: Read, chunks: list[bytes], expected: list[dict[str, Any]]) -> None:
    assert (await read(b"".join(chunks) + end())).parts() == expected


async def test_calls_come_whole_and_in_parallel(read: Read) -> None:
    got = await read(
        chunk(text("Let me look."))
        + chunk(call("rain", {"x": [1.0, "é"]}, id="a") | {"thoughtSignature": "c2ln"}, call("rain", {}))
        + chunk(call("wind"))
        + end()
    )
    made = {"kind": "tool_call", "executor": "client"}
    assert got.parts() == [
        {"kind": "text", "text": "Let me look."},
        {**made, "text": '{"x":[1.0,"é"]}', "call_id": "a", "name": "rain", **SIGNED},
        {**made, "text": "{}", "call_id": "call_2", "name": "rain"},
        {**made, "text": "{}", "call_id": "call_3", "name": "wind"},
    ]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("tool_calls", "STOP")


async def test_code_that_the_provider_runs(read: Read) -> None:
    code, result = {"language": "PYTHON", "code": "print('é')"}, {"outcome": "OUTCOME_OK", "output": "é\n"}
    got = await read(
        chunk({"executableCode": code})
        + chunk({"codeExecutionResult": result}, text("é."))
        + chunk({"executableCode": {**code, "id": "c"}}, {"codeExecutionResult": {**result, "id": "c"}})
        + end()
    )
    named = {"name": "code_execution", "executor": "provider"}
    first, first_result, said, second, second_result = got.parts()
    assert said == {"kind": "text", "text": "é."}
    for ran, call_id in ((first, "call_0"), (second, "c")):
        assert json.loads(ran.pop("text")) == code
        assert ran == {"kind": "tool_call", "call_id": call_id, **named}
    for answered, call_id in ((first_result, "call_0"), (second_result, "c")):
        assert json.loads(answered.pop("text")) == result
        assert answered == {"kind": "tool_result", "call_id": call_id, **named}
    assert got.completed.finish_reason == "stop"


async def test_other_tools_of_the_provider(read: Read) -> None:
    used = {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["sky"]}, "id": "s"}
    answered = {"toolType": "GOOGLE_SEARCH_WEB", "response": {"found": [1]}, "id": "s"}
    got = await read(
        chunk({"toolCall": used, "thoughtSignature": "c2ln"}, {"toolResponse": answered}, text("Blue.")) + end()
    )
    named = {"call_id": "s", "name": "google_search_web", "executor": "provider"}
    assert got.parts() == [
        {"kind": "tool_call", "text": '{"queries":["sky"]}', **named, **SIGNED},
        {"kind": "tool_result", "text": '{"found":[1]}', **named},
        {"kind": "text", "text": "Blue."},
    ]
    assert got.completed.finish_reason == "stop"


async def test_files(read: Read) -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    got = await read(
        chunk(text("Here: "), {**blob, "thought": True}, blob)
        + chunk({"fileData": {"mimeType": "audio/wav", "fileUri": "https://x.test/f"}})
        + end()
    )
    assert got.parts() == [
        {"kind": "text", "text": "Here: "},
        {"kind": "file", "text": "aGk=", "media_type": "image/png", "summary": True},
        {"kind": "file", "text": "aGk=", "media_type": "image/png"},
        {"kind": "file", "text": "", "media_type": "audio/wav", "url": "https://x.test/f"},
    ]


GROUNDS = {"groundingChunks": [{"web": {"uri": "https://x.test/", "title": "x"}}], "webSearchQueries": ["sky"]}


async def test_where_the_text_comes_from_is_annotated(read: Read) -> None:
    cited = {"citationSources": [{"startIndex": 0, "endIndex": 4, "uri": "https://x.test/"}]}
    fetched = {"urlMetadata": [{"retrievedUrl": "https://x.test/"}]}
    got = await read(
        chunk(text("Blue"), citationMetadata=cited)
        + chunk(text("."), groundingMetadata=GROUNDS)
        # It comes again with later chunks.
        + end(groundingMetadata=GROUNDS, urlContextMetadata=fetched)
    )
    (part,) = got.parts()
    assert part["annotations"] == [
        {"citationMetadata": cited},
        {"groundingMetadata": GROUNDS},
        {"urlContextMetadata": fetched},
    ]
    # Without text there is nothing to annotate, and still it is not lost.
    assert raws(await read(chunk(call("rain")) + end(groundingMetadata=GROUNDS))) == [{"groundingMetadata": GROUNDS}]


async def test_what_has_no_place_is_kept(read: Read) -> None:
    rated = [{"category": "HARM", "probability": "LOW"}]
    got = await read(
        event({"hologram": {"x": 1}, **NAMED})
        + event(NAMED)
        + chunk(text("yes"), {"hologram": {"x": "é"}}, {}, safetyRatings=rated)
        + chunk(call("rain", willContinue=True, partialArgs=[{"jsonPath": "$.x", "stringValue": "1"}]))
        + chunk(text("!"), safetyRatings=rated, avgLogprobs=-0.5, logprobsResult={"topCandidates": []})
        + end(finishMessage="Done.")
    )
    assert raws(got) == [
        {"hologram": {"x": 1}, **NAMED},
        {"hologram": {"x": "é"}},
        {"safetyRatings": rated},
        {
            "functionCall": {
                "name": "rain",
                "willContinue": True,
                "partialArgs": [{"jsonPath": "$.x", "stringValue": "1"}],
            }
        },
        {"avgLogprobs": -0.5},
        {"logprobsResult": {"topCandidates": []}},
        {"finishMessage": "Done."},
    ]
    assert got.parts() == [{"kind": "text", "text": "yes!"}]


async def test_a_ping_of_another_protocol_is_not_kept(read: Read) -> None:
    ping = b"event: ping\n" + event({"type": "ping"})
    got = await read(ping, chunk(text("x")), ping, end())
    assert (got.parts(), raws(got)) == ([{"kind": "text", "text": "x"}], [])


async def test_what_the_last_chunk_says_besides_is_kept(read: Read) -> None:
    counts = {**COUNTS, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}]}
    last = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts, "modelStatus": {"modelStage": "STABLE"}}
    # With every chunk the counts come; as they were at the end is enough.
    got = await read(event({**last, "candidates": [{"content": {"parts": [text("x")]}}]}) + event({**last, **NAMED}))
    assert raws(got) == [{"usageMetadata": counts, "modelStatus": {"modelStage": "STABLE"}}]


async def test_the_request_id_of_a_gateway(read: Read) -> None:
    got = await read(end(), headers={"content-type": "text/event-stream", "x-request-id": "q-1"})
    assert got.events[0] == Response(response_id="r-1", request_id="q-1", model="gemini-x-001")


async def test_another_candidate_is_not_the_answer(read: Read) -> None:
    other = event({"candidates": [{"index": 1, "content": {"parts": [text("no")]}, "finishReason": "SAFETY"}]})
    got = await read(chunk(text("yes")) + other + end())
    assert got.parts() == [{"kind": "text", "text": "yes"}]
    assert got.completed.finish_reason == "stop"


def counted(**counts: int) -> bytes:
    return event({"candidates": [{"content": {"parts": [text("x")]}}], "usageMetadata": counts})


async def test_usage_is_cumulative_and_by_our_rules(read: Read) -> None:
    got = await read(
        counted(promptTokenCount=100, cachedContentTokenCount=60, thoughtsTokenCount=5)
        + counted(promptTokenCount=100, candidatesTokenCount=1)
        + counted(toolUsePromptTokenCount=20, candidatesTokenCount=7, thoughtsTokenCount=6)
        + event({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 9}})
    )
    reports = [e.usage for e in got.events if isinstance(e, UsageReport)]
    assert reports == [Usage(100, 5, 60, 0, 5), Usage(120, 13, 60, 0, 6)]
    assert got.completed.usage == Usage(120, 15, 60, 0, 6)


@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.2)])
async def test_counts_after_the_finish_reason(read: Read, times: CallTimes) -> None:
    finished = event({"candidates": [{"content": {"parts": [text("x")]}, "finishReason": "MAX_TOKENS"}]})
    got = await read(finished, event({"usageMetadata": COUNTS}), end="hang")
    assert (got.completed.finish_reason, got.completed.usage) == ("length", Usage(4, 2))
    got = await read(finished)
    assert (got.completed.finish_reason, got.completed.usage) == ("length", None)


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *((name, "content_filter") for name in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((name, "content_filter") for name in ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION")),
        ("MODEL_ARMOR", "content_filter"),
        ("CONTINUATION", "paused"),
        *((name, "other") for name in ("LANGUAGE", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")),
        *((name, "other") for name in ("TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE")),
        *((name, "other") for name in ("IMAGE_OTHER", "NO_IMAGE", "TIRED")),
    ],
)
async def test_finish_reasons(read: Read, raw: str, unified: str) -> None:
    completed = (await read(chunk(text("x")) + end(raw))).completed
    assert (completed.finish_reason, completed.raw_finish_reason) == (unified, raw)


CODE = {"executableCode": {"language": "PYTHON", "code": "1"}}
RESULT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}


def said(got: Outcome) -> str:
    return "".join(part["text"] for part in got.parts() if part["kind"] == "text")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chunk(CODE), end("STOP", RESULT), chunk(text("Hel")), end("STOP", text("lo"))], id="rounds"),
        pytest.param([end("STOP", text("Hel")), end("STOP", text("lo"))], id="in every chunk"),
        pytest.param([end(), end(), chunk(text("Hello")), end()], id="in leading chunks"),
        pytest.param([chunk(finishReason="STOP"), chunk(text("Hello")), end()], id="in a chunk without content"),
        pytest.param([end("FINISH_REASON_UNSPECIFIED", text("Hel")), end("STOP", text("lo"))], id="unspecified"),
        pytest.param([end("null", text("Hel")), end("", text("lo")), end()], id="null"),
        pytest.param([end("MAX_TOKENS", text("Hel")), end("STOP", text("lo"))], id="another before"),
    ],
)
async def test_a_finish_reason_before_the_last_chunk(read: Read, chunks: list[bytes]) -> None:
    got = await read(*chunks)
    assert (got.error, said(got)) == (None, "Hello")
    assert (got.completed.finish_reason, got.completed.usage) == ("stop", Usage(4, 2))


async def test_a_call_after_a_finish_reason(read: Read) -> None:
    got = await read(end("STOP", text("Hello")), end("STOP", call("rain", {"x": 1})))
    assert (said(got), got.parts()[1]["text"], got.completed.finish_reason) == ("Hello", '{"x":1}', "tool_calls")


@pytest.mark.parametrize("reason", ["FINISH_REASON_UNSPECIFIED", "null", ""])
async def test_no_finish_reason_is_no_end(read: Read, reason: str) -> None:
    assert (await read(end(reason, text("x")))).failure.code == "incomplete_stream"


@pytest.mark.parametrize(
    ("chunks", "whole"),
    [
        pytest.param([chunk(text("x")), end("STOP", text("y"))], True, id="after what has none"),
        pytest.param([end("STOP", text("x"))], False, id="from the first chunk on"),
        pytest.param([end("STOP", text("x")), end("STOP", text("y"))], False, id="in every chunk"),
        pytest.param([chunk(text("x"), CODE), end("STOP", RESULT)], False, id="before the answer to a result"),
        pytest.param([chunk(text("x"), CODE, RESULT), end()], False, id="alone, before the answer to a result"),
        pytest.param([chunk(text("x"), CODE, RESULT, text("y")), end()], True, id="after it"),
    ],
)
async def test_what_a_broken_connection_proves(read: Read, chunks: list[bytes], whole: bool) -> None:
    got = await read(*chunks, end="abort")
    assert (got.error is None) == whole
    if not whole:
        assert got.failure.code == "connection"


def is_ended_by_silence(*chunks: bytes) -> bool:
    reader, events = GeminiReader("acme"), list[ProviderEvent]()
    for each in SseDecoder().feed(b"".join(chunks)):
        reader.read(each, events)
    return reader.finish_reason.is_end(said=adds(events))


def test_what_silence_ends() -> None:
    uncounted = event({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 4}})
    assert not is_ended_by_silence(uncounted)
    assert not is_ended_by_silence(chunk(CODE), end("STOP", RESULT))
    assert not is_ended_by_silence(chunk(CODE), chunk(RESULT), end())
    assert is_ended_by_silence(chunk(CODE), end("STOP", RESULT), end("STOP", text("x")))
    assert is_ended_by_silence(chunk(text("x")), uncounted)
    assert is_ended_by_silence(end("MAX_TOKENS"))


async def test_an_answer_in_one_document(read: Read) -> None:
    answer = {"candidates": [{"content": {"parts": [text("Hello"), call("rain", {"x": 1})]}, "finishReason": "STOP"}]}
    one = {**answer, "usageMetadata": COUNTS, **NAMED}
    several: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [text(half)]}}]} for half in ("Hel", "lo")]
    several.append({"candidates": [{"content": {"parts": [call("rain", {"x": 1})]}, "finishReason": "STOP"}]})
    several[-1] |= {"usageMetadata": COUNTS, **NAMED}
    for document in (one, [one], several):
        body = json.dumps(document, indent=1).encode()
        got = await read(body, headers={"content-type": "application/json; charset=UTF-8"})
        assert (got.error, said(got), got.parts()[1]["text"]) == (None, "Hello", '{"x":1}')
        assert (got.completed.finish_reason, got.completed.usage) == ("tool_calls", Usage(4, 2))
        assert got.completed.response_id == "r-1"


@pytest.mark.parametrize("counts", [[COUNTS], {"promptTokenCount": 4.5}, "many", {"candidatesTokenCount": -1}, 7])
async def test_counts_that_are_none(read: Read, counts: Any) -> None:
    last = {"candidates": [{"content": {"parts": [text("x")]}, "finishReason": "STOP"}], "usageMetadata": counts}
    got = await read(event(last))
    assert (got.error, said(got), got.completed.usage) == (None, "x", None)


@pytest.mark.parametrize("error", ["", {}, False, None, [], {"message": "", "code": 0}])
async def test_an_error_that_says_nothing(read: Read, error: Any) -> None:
    stream = chunk(text("x")) + end()
    got = await read(stream.replace(b'{"candidates', b'{"error": %s, "candidates' % json.dumps(error).encode()))
    assert (got.error, said(got), raws(got)) == (None, "x", [])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"error": "SECRET"}, "provider_error"),
        ({"candidates": [], "error": {"code": 429, "message": "SECRET"}}, "rate_limit"),
        ({"usageMetadata": COUNTS, "errors": [{"code": 503, "message": "SECRET"}]}, "overloaded"),
        ({"code": 503, "message": "SECRET", "status": "UNAVAILABLE"}, "overloaded"),
        ({"error": {"code": "503", "message": "SECRET"}, "usageMetadata": COUNTS}, "overloaded"),
    ],
)
async def test_an_error_in_any_shape(read: Read, value: Any, code: str) -> None:
    got = await read(chunk(text("x")) + event(value) + end())
    assert (got.failure.code, raws(got), said(got)) == (code, [], "x")
    assert "SECRET" not in f"{got.failure} {got.events}"


@pytest.mark.parametrize("reason", ["BLOCK_REASON_UNSPECIFIED", "", 0])
async def test_a_prompt_that_is_not_refused(read: Read, reason: Any) -> None:
    answer = {"candidates": [{"content": {"parts": [text("x")]}, "finishReason": "STOP"}]}
    got = await read(event({**answer, "promptFeedback": {"blockReason": reason}}))
    assert (got.error, said(got)) == (None, "x")


async def test_the_only_candidate_is_the_answer(read: Read) -> None:
    other = chunk(text("x")).replace(b'"index": 0', b'"index": 1') + end().replace(b'"index": 0', b'"index": "1"')
    got = await read(other)
    assert (got.error, said(got)) == (None, "x")


async def test_a_call_does_not_hide_why_it_ended(read: Read) -> None:
    assert (await read(chunk(call("rain")) + end("MAX_TOKENS"))).completed.finish_reason == "length"


async def test_a_prompt_that_is_refused(read: Read) -> None:
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "PROMPT"}
    got = await read(event({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 4}, **NAMED}))
    assert (got.failure.code, got.failure.retryable) == ("content_filter", False)
    assert "PROHIBITED_CONTENT" in got.failure.message
    assert "PROMPT" not in got.failure.message.replace("PROHIBITED_CONTENT", "")
    assert [type(e) for e in got.events] == [Response, UsageReport]
    got = await read(event({"promptFeedback": {"blockReason": "You said: PROMPT"}}))
    assert got.failure.code == "content_filter"
    assert "PROMPT" not in got.failure.message


@pytest.mark.parametrize(
    ("code", "status", "expected", "retryable"),
    [
        (503, "UNAVAILABLE", "overloaded", True),
        (500, "INTERNAL", "provider_error", True),
        (504, "DEADLINE_EXCEEDED", "provider_timeout", True),
        (429, "RESOURCE_EXHAUSTED", "rate_limit", True),
        (400, "INVALID_ARGUMENT", "bad_request", False),
        (None, "UNAVAILABLE", "overloaded", True),
        (None, "PERMISSION_DENIED", "permission", False),
        (None, "INVALID_ARGUMENT", "bad_request", False),
        (None, "UNHEARD_OF", "provider_error", True),
    ],
)
@pytest.mark.parametrize("framed", [True, False])
async def test_an_error_in_the_stream(
    read: Read, code: int | None, status: str, expected: str, retryable: bool, framed: bool
) -> None:
    error = {"error": {"status": status, "message": "PROMPT"} | ({"code": code} if code else {})}
    got = await read(chunk(text("x")) + (event(error) + end() if framed else json.dumps(error, indent=2).encode()))
    assert (got.failure.code, got.failure.retryable) == (expected, retryable)
    assert "PROMPT" not in str(got.failure)
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        pytest.param(b"", "incomplete_stream", id="clean end"),
        pytest.param(end()[:-6], "incomplete_stream", id="half an end"),
        pytest.param(end()[:30], "incomplete_stream", id="half an event"),
        pytest.param(b'{"error": {"code"', "incomplete_stream", id="half an error"),
        pytest.param(b'{"unheard": "of"}', "incomplete_stream", id="bare JSON"),
        pytest.param(b'data: {"candidates":[\r\n\r\n', "invalid_response", id="no JSON"),
        pytest.param(event([1]), "incomplete_stream", id="no object"),
        pytest.param(event({"candidates": [{"content": 5}]}), "incomplete_stream", id="another shape"),
    ],
)
async def test_an_end_that_is_none(read: Read, rest: bytes, code: str) -> None:
    got = await read(chunk(text("x")) + rest)
    assert (got.failure.code, got.failure.retryable) == (code, True)
    assert got.parts() == [{"kind": "text", "text": "x"}]


async def test_an_emoji_cut_in_two_passes_as_two_surrogates(read: Read) -> None:
    halves = b"".join(
        b'data: {"candidates":[{"content":{"parts":[{"text":"\\u%s"}]}}]}\n\n' % h for h in (b"d83d", b"de00")
    )
    odd = b'data: {"candidates":[{"content":{"parts":[{"hologram":"\\ud83d"}]}}]}\n\n'
    got = await read(halves + odd + end())
    assert got.parts() == [{"kind": "text", "text": "\ud83d\ude00"}]
    assert raws(got) == [{"hologram": "\ud83d"}]


RICH = (
    chunk(text("Zw\u00f6lf 😀", thought=True))
    + b": comment\n\n"
    + chunk(text("a\u2028"), groundingMetadata=GROUNDS)
    + chunk(text("b\r\n\0", thoughtSignature="c2ln")).replace(b"\r\n", b"\n")
    + chunk({"executableCode": {"language": "PYTHON", "code": "1"}})
    + chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})
    + chunk(
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT"}],
    )
    + chunk(call("rain", {"x": "\u00e9"}, id="a") | {"thoughtSignature": "YQ=="}, call("wind", {}, id="b"))
    + end("STOP", text("Done."))
)


async def served(pieces: list[bytes]) -> Outcome:
    """What comes of these pieces without a socket."""

    async def send() -> httpx2.Response:
        async def content() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=content())

    batches: list[list[ProviderEvent]] = []
    try:
        async for events in follow("acme", send, GeminiReader("acme")):
            batches.append(events)
    except ProviderError as error:
        return Outcome(batches, error)
    return Outcome(batches, None)


@given(st.sets(st.integers(1, len(RICH) - 1)), st.booleans())
async def test_however_it_is_cut_the_events_are_the_same(places: set[int], whole: bool) -> None:
    cuts = [0, *sorted(places), len(RICH)]
    pieces = [RICH[start:stop] for start, stop in pairwise(cuts)]
    expected = (await served([RICH])).events
    assert (await served(pieces)).events == expected
    # The last event is whole without its blank line, a CRLF twice.
    if not whole and len(pieces[-1]) > 4:
        got = await served(pieces[:-1])
        assert got.failure.code == "incomplete_stream"
        assert got.events == expected[: len(got.events)]


async def typed(url: str, model: str) -> list[GenerateContentResponse]:
    """The chunks that the SDK gives."""
    async with httpx2.AsyncClient() as http:
        options = HttpOptions(base_url=url, httpx_async_client=http)
        client = Client(vertexai=False, api_key="k", http_options=options)
        stream = await client.aio.models.generate_content_stream(
            model=quote(model, safe=""), contents="Why is the sky blue?"
        )
        chunks = [chunk async for chunk in stream]
        client.close()
    return chunks


def as_parts(chunks: list[GenerateContentResponse]) -> list[dict[str, Any]]:
    """What the SDK's chunks say, as parts; arguments as values, since it keeps no text of them."""
    parts: list[dict[str, Any]] = []
    code = ""
    for given_chunk in chunks:
        for piece in (given_chunk.candidates or [])[0].content.parts or ():  # type: ignore[union-attr]
            kind = "reasoning" if piece.thought else "text"
            if piece.text is not None:
                if not (piece.text or piece.thought_signature):
                    continue
                if not parts or parts[-1]["kind"] != kind:
                    parts.append({"kind": kind, "text": "", **({"summary": True} if piece.thought else {})})
                parts[-1]["text"] += piece.text
            elif (made := piece.function_call) is not None:
                named = {"call_id": made.id, "name": made.name, "executor": "client"}
                parts.append({"kind": "tool_call", "text": made.args, **named})
            elif piece.executable_code is not None:
                code = f"call_{len(parts)}"
                named = {"call_id": code, "name": "code_execution", "executor": "provider"}
                parts.append({"kind": "tool_call", "text": piece.executable_code.to_json_dict(), **named})
            elif piece.code_execution_result is not None:
                named = {"call_id": code, "name": "code_execution", "executor": "provider"}
                parts.append({"kind": "tool_result", "text": piece.code_execution_result.to_json_dict(), **named})
            elif (blob := piece.inline_data) is not None:
                content = base64.b64encode(blob.data or b"").decode()
                parts.append({"kind": "file", "text": content, "media_type": blob.mime_type})
            if piece.thought_signature:
                signature = base64.b64encode(piece.thought_signature).decode()
                parts[-1] |= {"signature": signature, "provider": "gemini"}
    return parts


def with_values(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours, so that they can be compared."""
    found = []
    for part in parts:
        value = json.loads(part["text"]) if part["kind"].startswith("tool") else part["text"]
        found.append({name: part[name] for name in part if name != "annotations"} | {"text": value})
    return found


def check_the_end(got: Outcome, last: GenerateContentResponse) -> None:
    assert last.candidates
    assert last.candidates[0].finish_reason == got.completed.raw_finish_reason
    assert got.completed.response_id == last.response_id
    usage = last.usage_metadata
    assert usage is not None
    assert got.completed.usage == Usage(
        usage.prompt_token_count or 0,
        (usage.total_token_count or 0) - (usage.prompt_token_count or 0),
        usage.cached_content_token_count or 0,
        0,
        usage.thoughts_token_count or 0,
    )


async def test_the_sdk_reads_the_same(read: Read, upstream: Upstream) -> None:
    # It fails on comments (and that is why its stream is not used).
    body = RICH.replace(b": comment\n\n", b"")
    got = await read(body)
    chunks = await typed(upstream.url, "m")
    assert with_values(got.parts()) == as_parts(chunks)
    check_the_end(got, chunks[-1])


@pytest.mark.parametrize("script", ["lorem", "tools", "reasoning", "refusal"])
async def test_the_simulator_says_the_same_to_the_sdk(
    script: str, simulator: str, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> None:
    model = f"{script}?rate=0&seed=3&cached=1"
    got = await outcome(adapter("gemini", simulator), ask(), model)
    chunks = await typed(simulator, model)
    assert with_values(got.parts()) == as_parts(chunks)
    got.completed.response_id = chunks[-1].response_id  # two answers have two
    check_the_end(got, chunks[-1])


@pytest.mark.parametrize("field", ["safetyRatings", "avgLogprobs"])
async def test_what_changes_with_each_chunk_is_kept_twice(read: Read, field: str) -> None:
    got = await read(*(chunk(text("x"), **{field: [number]}) for number in range(1, 9)), end())
    assert (got.error, raws(got)) == (None, [{field: [1]}, {field: [8]}])


@pytest.mark.parametrize(
    ("part", "kind", "is_error"),
    [
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, "codeExecutionResult", False),
        ({"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "1"}}, "codeExecutionResult", True),
        ({"codeExecutionResult": {"outcome": "OUTCOME_DEADLINE_EXCEEDED"}}, "codeExecutionResult", True),
        ({"codeExecutionResult": {"outcome": 2}}, "codeExecutionResult", True),
        ({"codeExecutionResult": {"outcome": "OUTCOME_UNSPECIFIED"}}, "codeExecutionResult", UNSET),
        ({"toolResponse": {"id": "s", "toolType": "GOOGLE_SEARCH", "response": {}}}, "toolResponse", UNSET),
    ],
)
async def test_results_say_what_they_are_and_whether_the_tool_failed(
    read: Read, part: dict[str, Any], kind: str, is_error: Any
) -> None:
    got = await read(chunk(part) + chunk(text("x")) + end())
    (result,) = [event for event in got.events if isinstance(event, Part) and event.kind == "tool_result"]
    assert (result.result_type, result.is_error) == (kind, is_error)


async def test_the_rating_that_blocked_it(read: Read) -> None:
    fine = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}
    blocked = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": True}
    got = await read(chunk(text("x"), safetyRatings=[fine]) + end("SAFETY", safetyRatings=[fine, blocked]))
    assert got.completed.refusal_category == "HARM_CATEGORY_HATE_SPEECH"
    assert not (await read(chunk(text("x")) + end("STOP", safetyRatings=[blocked]))).completed.refusal_category


async def test_the_tier_that_served_it(read: Read) -> None:
    def served(**counts: Any) -> bytes:
        candidate = {"content": {"parts": [text("a")]}, "index": 0, "finishReason": counts.pop("reason", None)}
        return event({"candidates": [candidate], "usageMetadata": COUNTS | counts, **NAMED})

    got = await read(served() + served(serviceTier="flex") + served(serviceTier="flex", reason="STOP"))
    names = [event for event in got.events if isinstance(event, Response)]
    first = Response(response_id="r-1", model="gemini-x-001")
    assert names == [first, Response(response_id="r-1", model="gemini-x-001", service_tier="flex")]
    assert raws(got) == []
    assert (await read(served(serviceTier=7, reason="STOP"))).response == first


async def test_citations_say_whose_shape_they_have(read: Read) -> None:
    got = await read(chunk(text("x"), groundingMetadata={"webSearchQueries": ["x"]}) + end())
    assert [event.protocol for event in got.events if isinstance(event, Annotation)] == ["gemini"]
