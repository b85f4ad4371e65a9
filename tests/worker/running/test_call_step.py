"""A call's step says how the call ended, by a code of ours and never by an error's text."""

from __future__ import annotations

import asyncio

import pytest

from shared.log.events import Completed, Response, Usage, UsageReport
from shared.tracing.tracing import CallSpan
from tests.worker.running.test_provider_call import writer
from worker.providers.provider import ProviderError
from worker.running.call_step import CallStep, no_call
from worker.writing.writer import LogFullError


class Heard(CallSpan):
    """Keeps what it is told."""

    __slots__ = ("answers", "ends")

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[Response | None, Usage | None, str | None]] = []
        self.ends: list[str | None] = []

    def answered(self, response: Response | None, usage: Usage | None, finish_reason: str | None) -> None:
        self.answers.append((response, usage, finish_reason))

    def end(self, error: str | None = None) -> None:
        self.ends.append(error)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProviderError("overloaded", "secret", retryable=True), "overloaded"),
        (LogFullError(), "too_long"),
        (asyncio.CancelledError(), "cancelled"),
        (ValueError("secret"), "_OTHER"),
    ],
)
def test_an_error_ends_it_and_goes_on(error: BaseException, code: str) -> None:
    heard = Heard()
    with pytest.raises(type(error)), CallStep(lambda: heard, writer(1000)):
        raise error
    assert (heard.answers, heard.ends) == ([(None, None, None)], [code])


def test_a_whole_answer() -> None:
    heard, one = Heard(), writer(1000)
    with CallStep(lambda: heard, one) as step:
        one.put(Response(response_id="r"))
        one.put(UsageReport(usage=Usage(output_tokens=3)))
        end = step.completed(Completed(finish_reason="length"))
    assert end.finish_reason == "length"
    assert (heard.answers, heard.ends) == ([(one.response, Usage(output_tokens=3), "length")], [None])


def test_what_an_earlier_call_was_counted_is_not_this_one_s() -> None:
    heard, one = Heard(), writer(1000)
    one.put(UsageReport(usage=Usage(output_tokens=3)))
    with pytest.raises(ProviderError), CallStep(lambda: heard, one):
        raise ProviderError("connection", "", retryable=True)
    assert heard.answers == [(None, None, None)]


def test_a_step_that_nobody_records_costs_nothing() -> None:
    with CallStep(no_call, writer(1000)) as step:
        assert step.span is no_call()
