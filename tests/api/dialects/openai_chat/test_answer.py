"""The object of an answer: what openai-python adds a stream up to, and valid for its types."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from openai.types.chat import ChatCompletion

from api.dialects.openai_chat.answer import answer
from shared.log.events import Annotation, AnyEvent, Completed, Delta, Failed, Part, PartEnd, Response, Usage
from tests.api.dialects.openai_chat.logs import DONE, FIRST, SUBJECT, added_up, logs, snapshot, standing


def told(log: list[AnyEvent]) -> dict[str, Any]:
    choices: list[dict[str, Any]] = answer(SUBJECT, snapshot(log))["choices"]
    assert len(choices) == 1
    return choices[0]


def usual(whole: dict[str, Any]) -> dict[str, Any]:
    """What counts of an object: what is null was not said, and a stream begins with an empty content."""
    (choice,) = whole["choices"]
    message = {name: value for name, value in choice["message"].items() if value not in (None, "")}
    calls = [
        {name: value for name, value in call.items() if name != "index"}
        | {"function": {name: value for name, value in call["function"].items() if name != "parsed_arguments"}}
        for call in message.get("tool_calls", ())
    ]
    said = {name: whole[name] for name in ("id", "object", "created", "model", "system_fingerprint", "usage")}
    return {
        **said,
        "usage": _without_nulls(said["usage"]),
        "choice": {**choice, "message": {**message, "tool_calls": calls}},
    }


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(item) for name, item in value.items() if item is not None}


@given(logs(completed=True))
@settings(max_examples=150)
def test_it_is_what_the_stream_adds_up_to(log: list[AnyEvent]) -> None:
    frames, epoch = standing(log)
    whole = answer(SUBJECT, snapshot(log), epoch)
    ChatCompletion.model_validate(whole)
    assert usual(added_up(frames)) == usual(whole)


def test_logprobs_fingerprint_and_tier() -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    log: list[AnyEvent] = [
        FIRST,
        Response(system_fingerprint="fp", service_tier="flex"),
        Part(part=0, kind="text"),
        Delta(part=0, kind="text", delta="Hi", logprobs=[token]),
        Delta(part=0, kind="text", delta="", logprobs=[token]),
        PartEnd(part=0),
        DONE,
    ]
    whole = answer(SUBJECT, snapshot(log))
    assert whole["choices"][0]["logprobs"] == {"content": [token, token], "refusal": None}
    assert (whole["system_fingerprint"], whole["service_tier"]) == ("fp", "flex")
    assert usual(added_up(standing(log)[0])) == usual(whole)


def test_a_citation_says_where_in_the_content_it_stands() -> None:
    cited = {"type": "url_citation", "url": "https://example.com/", "title": "T", "start_index": 1, "end_index": 3}
    found = {"type": "web_search_result_location", "url": "https://example.org/", "title": None, "cited_text": "x"}
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="text"),
        Delta(part=0, kind="text", delta='ä"\n😀'),
        PartEnd(part=0),
        Part(part=1, kind="text"),
        Annotation(part=1, fields=found),
        Delta(part=1, kind="text", delta="abc"),
        Annotation(part=1, fields=cited),
        DONE,
    ]
    places = [
        (one["url_citation"]["start_index"], one["url_citation"]["end_index"])
        for one in told(log)["message"]["annotations"]
    ]
    assert places == [(4, 7), (5, 7)]
    assert usual(added_up(standing(log)[0])) == usual(answer(SUBJECT, snapshot(log)))


def test_sound_is_one_audio() -> None:
    log: list[AnyEvent] = [
        FIRST,
        Part(part=0, kind="file", item_id="audio_1"),
        Delta(part=0, kind="file", delta="aGlo"),
        Delta(part=0, kind="file", delta="aQ=="),
        DONE,
    ]
    said = {"id": "audio_1", "data": "aGlo" + "aQ==", "expires_at": 1_767_225_600, "transcript": ""}
    assert told(log)["message"]["audio"] == said
    ChatCompletion.model_validate(answer(SUBJECT, snapshot(log)))
    assert usual(added_up(standing(log)[0])) == usual(answer(SUBJECT, snapshot(log)))


def test_sound_that_nobody_has_named_has_a_name() -> None:
    log: list[AnyEvent] = [FIRST, Part(part=0, kind="file"), Delta(part=0, kind="file", delta="aGk="), DONE]
    assert told(log)["message"]["audio"]["id"] == SUBJECT.id.replace("gen_", "audio_")


def test_without_a_text_the_content_is_null() -> None:
    log: list[AnyEvent] = [FIRST, Part(part=0, kind="tool_call", call_id="a", name="f", executor="client"), DONE]
    assert told(log)["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
    }


def test_of_an_answer_that_has_not_completed_there_is_what_there_is() -> None:
    failed = Failed(code="overloaded", message="m", retryable=True, usage=Usage(input_tokens=3))
    log: list[AnyEvent] = [FIRST, Part(part=0, kind="text"), Delta(part=0, kind="text", delta="Hi"), failed]
    whole = answer(SUBJECT, snapshot(log), epoch=3)
    assert whole["id"].endswith("-3")
    assert whole["choices"][0]["finish_reason"] is None
    assert whole["usage"]["prompt_tokens"] == 3
    assert answer(SUBJECT, snapshot([FIRST]))["usage"] is None


def test_a_completed_answer_names_its_reason() -> None:
    assert told([FIRST, Completed(finish_reason="paused")])["finish_reason"] == "stop"
