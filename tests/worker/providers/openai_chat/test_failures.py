"""Errors beside the fields of a chunk: failures of the right code, and their text is nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, STOP, chunk
from worker.providers.openai_chat.chunk import ChatChunk, Choice
from worker.providers.openai_chat.failures import failure_beside

TEXT = "SECRET: the prompt"
LIMIT = {"code": 429, "message": TEXT}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"choices": [], **LIMIT}, "rate_limit"),
        ({"choices": None, **LIMIT}, "rate_limit"),
        ({"choices": [], "code": "Throttling", "message": TEXT, "trace": 5}, "provider_error"),
        ({"choices": [], "success": False, "message": TEXT, "trace": 5}, "provider_error"),
        ({"choices": [], "status": "error", "reason": TEXT}, "provider_error"),
        ({"choices": [], "object": "error", "message": TEXT}, "provider_error"),
        ({"choices": [], "type": "error", "message": TEXT}, "provider_error"),
        ({"choices": [], "detail": TEXT}, "provider_error"),
        ({"exception": TEXT}, "provider_error"),
        ({"choices": [], "err": {"message": TEXT, "code": 429}}, "provider_error"),
        ({"choices": None, "errMsg": TEXT, "trace": 5}, "provider_error"),
        ({"choices": [], "error": TEXT}, "provider_error"),
        ({"choices": [], "errors": [{"message": TEXT}]}, "provider_error"),
        ({"choices": [{"index": 0, "delta": {"content": ""}, "error": LIMIT, "finish_reason": "error"}]}, "rate_limit"),
        ({"choices": [{"error": TEXT}]}, "provider_error"),
        ({"choices": [{"delta": {"error": LIMIT}}]}, "rate_limit"),
        ({"choices": [{"message": {"error": LIMIT}}]}, "rate_limit"),
        ({"choices": [{"delta": LIMIT}]}, "rate_limit"),
        ({"choices": [LIMIT]}, "rate_limit"),
        ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": TEXT}}, "rate_limit"),
        ({"choices": [{"delta": {}}], "base_resp": {"status_code": 1004, "status_msg": TEXT}}, "authentication"),
    ],
)
async def test_an_error_among_the_fields_of_a_chunk(read: Read, fields: dict[str, Any], code: str) -> None:
    got = await read(chunk({"content": "x"}) + chunk(**fields) + STOP)
    assert (got.failure.code, got.parts(), got.raw()) == (code, [{"kind": "text", "text": "x"}], [])
    assert TEXT not in f"{got.failure} {got.events}"


async def test_a_text_of_which_nobody_knows_is_shown_to_nobody(read: Read) -> None:
    got = await read(chunk({"content": "x"}) + chunk(choices=[], message=TEXT, extra=3) + STOP)
    other = chunk(choices=[{"index": 1, "delta": {"content": "y"}, "error": LIMIT}])
    assert (got.error, got.raw()) == (None, [{"extra": 3}])
    assert TEXT not in str((await read(chunk({"content": "x"}) + other + STOP)).events)


async def test_codes_that_say_that_all_is_well(read: Read) -> None:
    fine: dict[str, Any] = {"code": 0, "message": "Success"}
    got = await read(
        chunk({"content": "x"}, base_resp={"status_code": 0, "status_msg": ""}, **fine)
        + chunk(choices=[], usage={"prompt_tokens": 1}, **fine)
        + chunk(choices=[], code=200, msg="ok")
        + chunk({}, "stop", **fine)
        + DONE
    )
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "x"}])


@pytest.mark.parametrize("reason", ["null", "NULL", "", "none"])
async def test_the_word_null_is_no_finish_reason(read: Read, reason: str) -> None:
    got = await read(chunk({"content": "x"}, reason) + chunk({}, reason) + DONE)
    assert got.failure.code == "incomplete_stream"
    got = await read(chunk({"content": "x"}, reason) + chunk({"content": "y"}, reason) + chunk({}, "stop"))
    assert (got.parts(), got.completed.raw_finish_reason) == ([{"kind": "text", "text": "xy"}], "stop")


def test_a_note_beside_an_answer_is_no_error() -> None:
    chunk = ChatChunk(choices=[Choice()])
    assert failure_beside("acme", chunk, {}, {"message": "a note", "status": "in_progress"}) is None
    assert failure_beside("acme", chunk, {"code": "x"}, {}) is None
    assert failure_beside("acme", chunk, {}, {"code": 500, "message": "boom"}) is not None


@pytest.mark.parametrize("field", ["error_msg", "errorMessage", "exception", "traceback", "err"])
async def test_the_text_of_an_error_beside_an_answer_is_shown_to_nobody(read: Read, field: str) -> None:
    said: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "y"}}], field: TEXT}
    got = await read(chunk(**said) + chunk({"content": "z", field: TEXT}) + STOP)
    assert (got.error, got.parts(), got.raw()) == (None, [{"kind": "text", "text": "yz"}], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "queued", "message": TEXT},
        {"choices": [], "status": "processing", "msg": TEXT},
        {"choices": [{"index": 0, "delta": {}}], "code": 10000, "message": "Success"},
    ],
)
async def test_what_is_no_error_although_it_has_a_code(read: Read, fields: dict[str, Any]) -> None:
    got = await read(chunk(**fields) + chunk({"content": "x"}) + STOP)
    assert (got.error, got.parts()) == (None, [{"kind": "text", "text": "x"}])
    assert TEXT not in f"{got.events}"
