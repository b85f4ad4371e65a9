"""What every adapter gives: which events add to an answer, a pause that is no failure, and an error that is safe."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from shared.errors import MidstreamError
from shared.log.events import Annotation, Completed, Delta, Part, PartEnd, Raw, Response, Usage, UsageReport
from worker.providers.provider import ErrorCode, Pause, ProviderError, ProviderEvent, adds

EVENTS: dict[type, Any] = {
    Response: Response(response_id="r"),
    Part: Part(part=0, kind="text"),
    Delta: Delta(part=0, kind="text", delta="x"),
    Annotation: Annotation(part=0, fields={}),
    PartEnd: PartEnd(part=0),
    Raw: Raw(protocol="p", data={}),
    UsageReport: UsageReport(usage=Usage(1, 1)),
    Completed: Completed(finish_reason="stop"),
}


def test_only_parts_and_what_they_say_add_to_the_answer() -> None:
    assert EVENTS.keys() == set(get_args(ProviderEvent))
    assert {kind for kind, event in EVENTS.items() if adds([event])} == {Part, Delta}
    assert not adds([])
    assert adds([EVENTS[Raw], EVENTS[Delta]])


def test_a_pause_is_no_events_for_so_many_seconds() -> None:
    pause = Pause(2.5)
    assert (list(pause), pause.seconds) == ([], 2.5)
    assert not adds(pause)


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_an_error_has_a_code_and_its_sentence(code: ErrorCode) -> None:
    error = ProviderError(code, "the provider failed", retryable=True, retry_after=3.0, status=503)
    assert isinstance(error, MidstreamError)
    assert (error.code, error.message, str(error)) == (code, "the provider failed", "the provider failed")
    assert (error.retryable, error.retry_after, error.status, error.over) == (True, 3.0, 503, False)


def test_that_an_answer_is_over_is_said_of_one_error_alone() -> None:
    over = ProviderError("invalid_response", "x", retryable=True)
    over.over = True
    assert not ProviderError("invalid_response", "x", retryable=True).over
