"""The response object that is not streamed."""

from __future__ import annotations

from openai.types.responses import Response

from shared.log import events as log
from tests.api.dialects.openai_responses.logs import TAIL, answered, attempt, call, completed, subject, text

USAGE = log.Usage(input_tokens=3, output_tokens=2)


def test_one_that_waits() -> None:
    got = answered(subject(), [])
    assert (got["status"], got["output"], got["usage"], got["completed_at"]) == ("queued", [], None, None)
    assert got["id"] == f"resp_{TAIL}"
    Response.model_validate(got)


def test_one_that_runs() -> None:
    events = [attempt(), *call(0, "{}"), log.Part(part=1, kind="text"), log.UsageReport(usage=USAGE)]
    got = answered(subject(), events)
    assert (got["status"], got["usage"]) == ("in_progress", None)
    assert [item["status"] for item in got["output"]] == ["completed", "in_progress"]
    Response.model_validate(got)


def test_one_that_has_ended() -> None:
    got = answered(subject(), [attempt(), *text(0, "Because ", "of light."), completed(usage=USAGE)])
    assert (got["status"], got["completed_at"], got["created_at"]) == ("completed", 1_700_000_106, 1_700_000_000)
    assert Response.model_validate(got).output_text == "Because of light."
    assert got["usage"]["total_tokens"] == 5


def test_usage_that_was_reported_counts_where_the_end_has_none() -> None:
    got = answered(subject(), [attempt(), log.UsageReport(usage=USAGE), log.Cancelled()])
    assert (got["status"], got["usage"]["total_tokens"]) == ("cancelled", 5)


def test_one_that_failed() -> None:
    got = answered(
        subject(), [attempt(), *text(0, "a"), log.Failed(code="overloaded", message="Full.", retryable=True)]
    )
    assert (got["status"], got["error"]["code"], got["error"]["message"]) == ("failed", "server_error", "Full.")
    assert len(got["output"]) == 1
    Response.model_validate(got)


def test_what_is_void_is_left_out() -> None:
    got = answered(subject(), [attempt(), *text(0, "void"), attempt(2), *text(0, "stands"), completed()])
    (item,) = got["output"]
    assert (item["id"], item["content"][0]["text"]) == (f"msg_{TAIL}_2_0", "stands")
