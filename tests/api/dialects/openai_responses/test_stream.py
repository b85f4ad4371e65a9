"""What begins, grows and ends, and the events that tell it."""

from __future__ import annotations

import json
from typing import Any

from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.stream import Stream
from shared.log import events as log
from tests.api.dialects.openai_responses.logs import (
    LOGPROBS,
    attempt,
    call,
    completed,
    subject,
    text,
    told,
    types,
    whole,
)
from tests.api.dialects.openai_responses.test_items import said


def taken(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(one.split(b"\ndata: ", 1)[1]) for one in stream.events.take()]


def test_likelihoods_go_with_their_text() -> None:
    stream = Stream(subject(), 0)
    part = Said("text")
    stream.begin(part)
    stream.grow(part, b'"a"', LOGPROBS)
    stream.end(part)
    got = taken(stream)
    delta, done = got[2], got[3]
    assert (delta["type"], delta["delta"]) == ("response.output_text.delta", "a")
    (likelihood,) = delta["logprobs"]
    assert (likelihood["token"], likelihood["bytes"], len(likelihood["top_logprobs"])) == ("a", [97], 1)
    assert done["logprobs"] == delta["logprobs"]
    assert got[4]["part"]["logprobs"] == delta["logprobs"]


def test_a_message_ends_where_something_else_begins() -> None:
    got = types(subject(), [attempt(), *text(0, "a"), call(1)[0]])
    assert got[-2:] == ["output_item.done", "output_item.added"]
    assert "output_item.done" not in types(subject(), [attempt(), *text(0, "a")])


def test_a_silent_summary_is_told_where_one_behind_it_speaks() -> None:
    begun = [log.Part(part=at, kind="reasoning", item_id="rs_1", summary=True) for at in range(3)]
    said = [attempt(), begun[0], log.PartEnd(part=0), *whole(begun[1], "b"), begun[2], log.PartEnd(part=2), completed()]
    got = told(subject(), said)
    added = [one["summary_index"] for one in got if one["type"] == "response.reasoning_summary_part.added"]
    done = [one["summary_index"] for one in got if one["type"] == "response.reasoning_summary_part.done"]
    assert (added, done) == ([0, 1], [0, 1])
    assert len(got[-1]["response"]["output"][0]["summary"]) == 2


def test_an_item_is_not_told_to_end_twice() -> None:
    got = types(subject(), [attempt(), *call(0, "{}"), *text(1, "a"), log.PartEnd(part=0), completed()])
    assert got.count("output_item.done") == 2


def test_half_a_text_is_not_told_to_be_whole() -> None:
    half = [attempt(), log.Part(part=0, kind="text"), log.Delta(part=0, kind="text", delta="{")]
    got = types(subject(), [*half, log.Cancelled()])
    assert got[-3:] == ["content_part.done", "output_item.done", "incomplete"]
    assert "output_text.done" not in got


def test_half_a_call_is_not_told_to_be_whole() -> None:
    half = [attempt(), *call(0, "{")[:-1]]
    got = told(subject(), [*half, log.Failed(code="connection", message="Gone.", retryable=True)])
    assert got[-2]["item"]["status"] == "incomplete"
    assert not any(one["type"] == "response.function_call_arguments.done" for one in got)


def test_what_a_provider_ran() -> None:
    search = log.Part(part=0, kind="tool_call", call_id="ws", name="web_search", executor="provider")
    got = told(subject(), [attempt(), *whole(search, '{"query":', '"sky"}'), *text(1, "Blue."), completed()])
    assert [one["type"].removeprefix("response.") for one in got[3:5]] == ["output_item.added", "output_item.done"]
    assert got[4]["item"]["action"] == {"type": "search", "query": "sky"}


def test_a_custom_tool() -> None:
    of = subject(tools=[{"type": "custom", "name": "look"}])
    got = types(of, [attempt(), *call(0, "any text"), completed()])
    assert got[3:7] == [
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
    ]  # fmt: skip
    assert told(of, [attempt(), *call(0, "any text"), completed()])[-1]["response"]["output"][0]["input"] == "any text"


def test_a_part_without_an_item_makes_nothing() -> None:
    stream = Stream(subject(), 0)
    part = said("tool_call", executor="provider", name="remote")
    stream.begin(part)
    stream.grow(part, b'"a"', None)
    stream.end(part)
    assert stream.events.take() == []
    assert stream.events.number == 0


def begun(part: int, *deltas: str) -> list[log.Event]:
    """A call whose end does not come."""
    return call(part, *deltas)[:-1]


def test_calls_that_all_end_together_follow_each_other_where_their_arguments_are_whole() -> None:
    said = [attempt(), *begun(0, '{"a":', "1}"), *begun(1, "{}"), *begun(2, "{")]
    assert types(subject(), said)[3:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta",
    ]  # fmt: skip
    ends = [log.PartEnd(part=at) for at in range(3)]
    got = told(subject(), [*said, *ends, completed()])
    assert [one["output_index"] for one in got if one["type"] == "response.output_item.done"] == [0, 1, 2]


def test_a_text_waits_for_the_call_before_it() -> None:
    got = types(subject(), [attempt(), *begun(0, "{"), *text(1, "a", "b"), log.PartEnd(part=0), completed()])
    assert got[3:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip


def test_what_waits_is_told_at_the_end_of_the_log() -> None:
    got = told(subject(), [attempt(), *begun(0, "{"), *begun(1, "["), log.Cancelled()])
    done = [one["item"] for one in got if one["type"] == "response.output_item.done"]
    assert [(item["arguments"], item["status"]) for item in done] == [("{", "incomplete"), ("[", "incomplete")]
    assert got[-1]["response"]["output"] == done


def test_what_waits_is_void_with_its_attempt_and_never_told() -> None:
    said = [attempt(), *begun(0, "{"), *begun(1, "secret"), attempt(2), *text(0, "a"), completed()]
    got = told(subject(), said)
    assert "secret" not in str(got)
    assert [one["output_index"] for one in got if one["type"] == "response.output_item.added"] == [0, 1]


def test_nobody_waits_for_what_broke_off_where_an_attempt_goes_on_without_it() -> None:
    said = [attempt(), *begun(0, "{"), attempt(2, continues=True), *text(0, "a")[:2]]
    got = told(subject(), said)
    assert [one["type"].removeprefix("response.") for one in got[3:]] == [
        "output_item.added", "function_call_arguments.delta", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta",
    ]  # fmt: skip
    final = told(subject(), [*said, log.PartEnd(part=0), completed()])[-1]["response"]
    assert [item["status"] for item in final["output"]] == ["incomplete", "completed"]


def test_a_call_that_broke_off_goes_on_before_the_one_that_waits() -> None:
    first = log.Part(part=0, kind="tool_call", call_id="a", item_id="fc_a", name="look", executor="client")
    again = log.Part(part=0, kind="tool_call", item_id="fc_a", resumes=True)
    said = [attempt(), *whole(first, "{")[:-1], *begun(1, "["), attempt(2, continues=True), *whole(again, "}")]
    got = told(subject(), [*said, completed()])
    done = [one["item"] for one in got if one["type"] == "response.output_item.done"]
    assert [item["arguments"] for item in done] == ["{}", "["]


def test_a_tool_of_the_provider_without_a_result_holds_nothing_back() -> None:
    search = log.Part(part=0, kind="tool_call", call_id="fs", name="file_search", executor="provider")
    got = types(subject(), [attempt(), *whole(search, '{"queries":[]}'), *text(1, "a")[:2]])
    assert got[3:] == [
        "output_item.added", "output_item.done", "output_item.added", "content_part.added", "output_text.delta",
    ]  # fmt: skip


def test_results_come_with_their_calls() -> None:
    calls = [
        log.Part(part=at, kind="tool_call", call_id=f"fs_{at}", name="file_search", executor="provider")
        for at in range(2)
    ]
    results = [
        log.Part(part=2 + at, kind="tool_result", call_id=f"fs_{1 - at}", name="file_search", executor="provider")
        for at in range(2)
    ]
    said = [*whole(calls[0], "{}"), *whole(calls[1], "{}"), *whole(results[0], "[{}]"), *whole(results[1], "[{}]")]
    got = told(subject(), [attempt(), *said, completed()])
    done = [one for one in got if one["type"] == "response.output_item.done"]
    assert [(one["output_index"], one["item"]["results"]) for one in done] == [(0, [{}]), (1, [{}])]


def test_a_text_that_is_resumed_behind_calls_only_to_end_ends_again_by_itself() -> None:
    """As where an attempt broke off behind the last word, and the next one goes on with calls."""
    said = [attempt(), *text(0, "ab")[:-1], attempt(2, continues=True), *begun(0, "{}"), *begun(1, "{}")]
    ends = [log.PartEnd(part=0), log.PartEnd(part=1), *whole(log.Part(part=2, kind="text", resumes=True))]
    got = told(subject(), [*said, *ends, completed()])
    done = [(one["output_index"], one["item"]["status"]) for one in got if one["type"] == "response.output_item.done"]
    assert done == [(0, "incomplete"), (1, "completed"), (2, "completed"), (0, "completed")]
    assert [one["text"] for one in got if one["type"] == "response.output_text.done"] == ["ab"]
    assert [item["status"] for item in got[-1]["response"]["output"]] == ["completed"] * 3
