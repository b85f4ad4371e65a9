"""The quirks of one request: what is refused, and what Stream is told."""

import re
from typing import Any

import httpx2
import pytest

from simulator.quirks.oddity import Oddity
from simulator.request import RequestRefusedError
from simulator.server import CHAT as CHAT_FORMAT
from tests.simulator.in_memory import request
from tests.simulator.quirks.asked import ALL, CHAT, LOREM, RESPONSES, Asker, question, same


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_unknown_quirk_is_a_clear_400(ask: Asker, protocol: str, stream: bool) -> None:
    answer = await ask(protocol, LOREM, "nonsense", stream=stream)
    assert answer.status == 400
    assert b"parameter 'quirk' must be quirks of docs/providers.md, and 'nonsense' is none" in answer.body


@pytest.mark.parametrize(
    ("protocol", "script", "quirk", "stream", "says"),
    [
        (CHAT, LOREM, "response-done", True, "which is for openai_responses only"),
        (CHAT, LOREM, "done-word,response-done", True, "which is for openai_responses only"),
        (CHAT, LOREM, "done-word", False, "is for streams"),
        (CHAT, LOREM, "one-document,done-word", True, "stands in place of the stream"),
        (CHAT, LOREM, "Done", True, "must be names of quirks"),
        (CHAT, LOREM, "done-word,", True, "must be names of quirks"),
        (CHAT, "clock?deltas=3", "done-word", True, "is not one that 'clock' has"),
        (CHAT, "lorem?deltas=20001", "done-word", True, "at most 20000 deltas"),
    ],
)
async def test_what_cannot_be_honoured_is_refused(
    ask: Asker, protocol: str, script: str, quirk: str, stream: bool, says: str
) -> None:
    answer = await ask(protocol, script, quirk, stream=stream)
    assert answer.status == 400
    assert "parameter 'quirk'" in answer.body.decode()
    assert says in answer.body.decode()


async def test_a_background_response_has_none(http: httpx2.AsyncClient) -> None:
    path, body = question(RESPONSES, f"{LOREM}&quirk=response-done")
    answer = await http.post(path, json=body | {"background": True})
    assert answer.status_code == 400
    assert "not for background responses" in answer.text


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("script", [LOREM, "tools?deltas=12&rate=0", "reasoning?deltas=9&rate=0"])
async def test_after_its_times_an_answer_is_the_usual_one_byte_for_byte(
    ask: Asker, protocol: str, script: str, key: str
) -> None:
    odd, *usual = [await ask(protocol, f"{script}&times=1&key={key}", "keepalive-comment") for _ in range(3)]
    plain = await ask(protocol, f"{script}&key={key}")
    assert same(odd.body) != same(usual[0].body)
    name = f"{script}&times=1&key={key}&quirk=keepalive-comment".encode()
    for answer in usual:
        assert same(answer.body).replace(name, f"{script}&key={key}".encode()) == same(plain.body)
        assert answer.content_type == plain.content_type == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("protocol", ALL)
async def test_a_quirk_and_a_fault_go_together(ask: Asker, protocol: str) -> None:
    answer = await ask(protocol, f"{LOREM}&fault=eof@3", "keepalive-comment")
    whole = await ask(protocol, LOREM)
    assert answer.body.count(b": OPENROUTER PROCESSING") >= 3
    commentless = answer._replace(body=re.sub(rb": OPENROUTER PROCESSING\r?\n\r?\n", b"", answer.body))
    assert commentless.text == whole.text[: len(commentless.text)] != whole.text


async def test_several_quirks_go_together(ask: Asker) -> None:
    answer = await ask(CHAT, LOREM, "sse-as-json,done-word,finish-every-chunk,no-final-blank-line")
    assert answer.content_type == "application/json"
    assert answer.body.count(b'"finish_reason":"stop"') == 8
    assert answer.body.endswith(b"\n\ndata: DONE")


def oddity(*names: str) -> Oddity:
    return Oddity(names, CHAT_FORMAT)


def test_without_quirks_nothing_is_odd() -> None:
    writer: Any = object()
    plain = oddity()
    plain.check(request(background=True, stream=False))
    assert plain.write(writer, 1_000_000) is writer
    assert (plain.refusal, plain.is_document, plain.content_type, plain.afterwards) == (None, False, None, None)


def test_what_a_stream_is_told() -> None:
    assert oddity("sse-untyped").content_type == []
    assert oddity("done-word", "sse-as-json").content_type == [(b"content-type", b"application/json")]
    assert oddity("one-document-as-stream").content_type == [(b"content-type", b"text/event-stream; charset=utf-8")]
    assert oddity("one-document").is_document
    after = oddity("done-word", "reset-after-finish").afterwards
    assert after is not None
    assert after.kind == "reset"
    refusal = oddity("status-424").refusal
    assert refusal is not None
    assert refusal[0] == 424
    with pytest.raises(RequestRefusedError, match="is none"):
        oddity("nonsense")
