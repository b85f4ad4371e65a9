"""Each call has an id of its own, and each result a call, or a client would raise."""

from __future__ import annotations

from dataclasses import replace

from msgspec import UNSET

from shared.log import events
from shared.log.events import Delta, Part, PartEnd
from tests.api.dialects.ai_sdk.logs import DONE, FIRST, SUBJECT, chunks, message, said, standing


def call(part: int, arguments: str, **fields: object) -> list[events.AnyEvent]:
    named = {"call_id": "c", "name": "get", "executor": "client"} | fields
    begun = Part(part=part, kind="tool_call", **named)  # type: ignore[arg-type]
    return [begun, Delta(part=part, kind="tool_call", delta=arguments), PartEnd(part=part)]


def result(part: int, text: str, **fields: object) -> list[events.AnyEvent]:
    named = {"call_id": "c", "name": "get", "executor": "provider"} | fields
    begun = Part(part=part, kind="tool_result", **named)  # type: ignore[arg-type]
    return [begun, Delta(part=part, kind="tool_result", delta=text), PartEnd(part=part)]


def test_a_call_of_the_client() -> None:
    assert said(*call(0, '{"a": 1}'))[1:] == [
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a": 1}'},
        {"type": "tool-input-available", "input": {"a": 1}, "toolCallId": "c", "toolName": "get"},
    ]
    assert said(*call(0, ""))[-1]["input"] == {}


def test_arguments_that_are_no_object_are_an_error_that_the_model_may_see() -> None:
    told = said(*call(0, '{"a'))[-1]
    assert (told["type"], told["input"]) == ("tool-input-error", '{"a')
    assert told["errorText"]


def test_a_signature_comes_with_its_call() -> None:
    log = [*call(0, "{}")[:2], PartEnd(part=0, signature="s", provider="gemini")]
    assert said(*log)[-1]["providerMetadata"] == {"midstream": {"signature": "ms1:gemini:s"}}


def test_calls_without_an_id_or_with_the_same_have_ids_of_their_own() -> None:
    log = [*call(0, "{}"), *call(1, "{}"), *call(2, "{}", call_id=UNSET), *call(3, "{}", call_id="")]
    ids = [chunk["toolCallId"] for chunk in said(*log) if chunk["type"] == "tool-input-start"]
    assert len(set(ids)) == 4
    assert ids[0] == "c"


def test_a_call_whose_id_an_earlier_turn_has() -> None:
    """`addToolOutput` puts a result at the first call of the whole chat that has the id."""
    subject = replace(SUBJECT, echo={"calls": ["c", "c_3", "d"]})
    told = chunks(*call(0, "{}"), *call(1, "{}", call_id="e"), subject=subject)
    ids = [chunk["toolCallId"] for chunk in told if chunk["type"] == "tool-input-available"]
    assert ids == ["c_4", "e"]


def test_a_tool_that_the_provider_runs() -> None:
    told = said(*call(0, '{"q":"a"}', executor="provider"), *result(1, '{"found":2}'))
    ran = {"providerExecuted": True, "dynamic": True}
    assert told[0] == {"type": "tool-input-start", "toolCallId": "c", "toolName": "get", **ran}
    assert told[-2:] == [
        {"type": "tool-input-available", "input": {"q": "a"}, "toolCallId": "c", "toolName": "get", **ran},
        {"type": "tool-output-available", "output": {"found": 2}, "toolCallId": "c", **ran},
    ]


def test_what_a_provider_says_of_no_call_makes_one() -> None:
    told = said(*result(0, "plain"))
    assert [chunk["type"] for chunk in told] == ["tool-input-start", "tool-input-available", "tool-output-available"]
    assert told[-1]["output"] == "plain"


def test_a_failed_tool_of_the_provider() -> None:
    told = said(*call(0, "{}", executor="provider"), *result(1, "too many", is_error=True))
    assert (told[-1]["type"], told[-1]["errorText"]) == ("tool-output-error", "too many")


def test_a_result_before_its_call_has_ended() -> None:
    first, second = call(0, '{"q"', executor="provider")[:2]
    log = [first, second, *result(1, "x"), PartEnd(part=0), DONE]
    [told] = [part for part in message(standing([FIRST, *log])[0]).parts if part["type"] == "tool"]
    assert told["state"] == "output-available"


def test_a_tool_of_which_the_provider_says_no_result_does_not_run_for_good() -> None:
    told = said(*call(0, "{}", executor="provider"), DONE)
    assert {"type": "tool-output-available", "output": None, "toolCallId": "c"}.items() <= told[-3].items()
    paused = said(*call(0, "{}", executor="provider"), events.Completed(finish_reason="paused"))
    assert "tool-output-available" not in [chunk["type"] for chunk in paused]
