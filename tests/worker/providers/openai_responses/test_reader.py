"""Responses streams, as OpenAI and the endpoints that imitate it send them, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from shared.log.events import Annotation, Delta, Part, PartEnd, Raw, Response, Usage, UsageReport
from tests.worker.providers.openai_responses.conftest import Read
from tests.worker.providers.openai_responses.responses_stream import CITED, COUNTED, Script, output_text, rich
from tests.worker.providers.upstream import End, Outcome, Upstream
from worker.providers.call_times import CallTimes


def begun() -> Script:
    return Script().begin()


async def test_text(read: Read) -> None:
    got = await read(begun().message(output_text("Because of light.")).end())
    assert got.parts() == [{"kind": "text", "text": "Because of light.", "item_id": "msg_1"}]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("stop", "completed")
    assert got.completed.response_id == "resp_1"
    assert got.raw() == []


async def test_names(read: Read) -> None:
    got = await read(begun().end(), headers={"content-type": "text/event-stream", "x-request-id": "req_1"})
    assert got.response == Response(response_id="resp_1", model="gpt-x-001", request_id="req_1", sequence_number=0)


async def test_the_number_of_an_event_is_on_the_last_that_comes_of_it(read: Read) -> None:
    got = await read(begun().message(output_text("abcdef")).end())
    numbers = {type(event): event.sequence_number for event in got.events}
    assert numbers == {Response: 0, Part: 3, Delta: 5, PartEnd: 7, type(got.completed): 9}


async def test_a_refusal_and_several_contents(read: Read) -> None:
    script = begun().message(output_text("One."), {"type": "refusal", "refusal": "No."}, output_text("Two.")).end()
    assert [(part["kind"], part["text"]) for part in (await read(script)).parts()] == [
        ("text", "One."), ("refusal", "No."), ("text", "Two."),
    ]  # fmt: skip


async def test_summaries_are_parts_and_the_last_has_what_is_encrypted(read: Read) -> None:
    got = await read(begun().reasoning("First.", "Second.", encrypted="ZW5j").message(output_text("x")).end())
    thought = {"kind": "reasoning", "summary": True, "item_id": "rs_1"}
    assert got.parts()[:2] == [
        {**thought, "text": "First."},
        {**thought, "text": "Second.", "encrypted": "ZW5j", "provider": "openai"},
    ]


async def test_encrypted_reasoning_without_a_word(read: Read) -> None:
    got = await read(begun().reasoning(encrypted="ZW5j").end())
    sealed = {"encrypted": "ZW5j", "provider": "openai"}
    assert got.parts() == [{"kind": "reasoning", "text": "", "item_id": "rs_1", **sealed}]
    assert (await read(begun().reasoning().end())).parts() == []


async def test_reasoning_text(read: Read) -> None:
    content = {"type": "reasoning_text", "text": "Hmm."}
    at = {"content_index": 0}
    script = begun().item(
        {"id": "rs_1", "type": "reasoning", "summary": []},
        ("content_part.added", {**at, "part": {**content, "text": ""}}),
        ("reasoning_text.delta", {**at, "delta": "Hm"}),
        ("reasoning_text.delta", {**at, "delta": "m."}),
        ("reasoning_text.done", {**at, "text": "Hmm."}),
        ("content_part.done", {**at, "part": content}),
        content=[content],
        encrypted_content="ZW5j",
    )
    sealed = {"encrypted": "ZW5j", "provider": "openai"}
    assert (await read(script.end())).parts() == [{"kind": "reasoning", "text": "Hmm.", "item_id": "rs_1", **sealed}]


async def test_calls(read: Read) -> None:
    got = await read(begun().call("rain", '{"x": 1}').call("wind", "{}", id="fc_2", call_id="call_2").end())
    made = {"kind": "tool_call", "executor": "client"}
    assert got.parts() == [
        {**made, "text": '{"x": 1}', "item_id": "fc_1", "call_id": "call_1", "name": "rain"},
        {**made, "text": "{}", "item_id": "fc_2", "call_id": "call_2", "name": "wind"},
    ]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("tool_calls", "completed")


async def test_calls_that_grow_in_turns(read: Read) -> None:
    script = begun()
    items = [
        {"id": f"fc_{n}", "type": "function_call", "call_id": f"c{n}", "name": f"f{n}", "arguments": ""} for n in (0, 1)
    ]
    for n, item in enumerate(items):
        script.add("response.output_item.added", output_index=n, item=item)
    for n, piece in ((0, '{"a"'), (1, "{}"), (0, ":1}")):
        script.add("response.function_call_arguments.delta", output_index=n, item_id=f"fc_{n}", delta=piece)
    for n, said in ((1, "{}"), (0, '{"a":1}')):
        script.add("response.output_item.done", output_index=n, item={**items[n], "arguments": said})
    assert [(part["name"], part["text"]) for part in (await read(script.end())).parts()] == [
        ("f0", '{"a":1}'), ("f1", "{}"),
    ]  # fmt: skip


async def test_a_custom_tool_is_called_with_text(read: Read) -> None:
    added = {"id": "ct_1", "type": "custom_tool_call", "call_id": "c", "name": "shell", "input": ""}
    grown = ("custom_tool_call_input.delta", {"delta": "ls "}), ("custom_tool_call_input.delta", {"delta": "-l"})
    script = begun().item(added, *grown, ("custom_tool_call_input.done", {"input": "ls -l"}), input="ls -l")
    got = await read(script.end())
    assert got.parts() == [
        {"kind": "tool_call", "text": "ls -l", "item_id": "ct_1", "call_id": "c", "name": "shell", "executor": "client"}
    ]
    assert got.completed.finish_reason == "tool_calls"


def used(name: str, id: str, text: str) -> dict[str, Any]:
    return {"kind": "tool_call", "text": text, "item_id": id, "call_id": id, "name": name, "executor": "provider"}


@pytest.mark.parametrize(
    ("item", "events", "done", "expected", "raw"),
    [
        pytest.param(
            {"id": "ws_1", "type": "web_search_call", "status": "in_progress"},
            [("web_search_call.in_progress", {}), ("web_search_call.completed", {})],
            {"status": "completed", "action": {"type": "search", "query": "é"}},
            [used("web_search", "ws_1", '{"type":"search","query":"é"}')],
            ["response.web_search_call.in_progress", "response.web_search_call.completed"],
            id="web search",
        ),
        pytest.param(
            {"id": "fs_1", "type": "file_search_call", "queries": [], "results": None},
            [("file_search_call.searching", {})],
            {"queries": ["q"], "results": [{"file_id": "f"}]},
            [
                used("file_search", "fs_1", '{"queries":["q"]}'),
                used("file_search", "fs_1", '[{"file_id":"f"}]') | {"kind": "tool_result"},
            ],
            ["response.file_search_call.searching"],
            id="file search",
        ),
        pytest.param(
            {"id": "ci_1", "type": "code_interpreter_call", "code": "", "container_id": "c"},
            [
                ("code_interpreter_call_code.delta", {"delta": '"a'}),
                ("code_interpreter_call_code.delta", {"delta": '"\n'}),
                ("code_interpreter_call_code.done", {"code": '"a"\n'}),
                ("code_interpreter_call.interpreting", {}),
            ],
            {"code": '"a"\n', "outputs": [{"type": "logs", "logs": "1"}]},
            [
                used("code_interpreter", "ci_1", r'{"code":"\"a\"\n","container_id":"c"}'),
                used("code_interpreter", "ci_1", '[{"type":"logs","logs":"1"}]') | {"kind": "tool_result"},
            ],
            ["response.code_interpreter_call.interpreting"],
            id="code interpreter",
        ),
        pytest.param(
            {"id": "ig_1", "type": "image_generation_call", "status": "in_progress", "result": None},
            [("image_generation_call.partial_image", {"partial_image_b64": "YQ==", "partial_image_index": 0})],
            {"status": "completed", "result": "aGk=", "revised_prompt": "A hi.", "output_format": "webp"},
            [
                used("image_generation", "ig_1", '{"revised_prompt":"A hi.","output_format":"webp"}'),
                {"kind": "file", "text": "aGk=", "item_id": "ig_1", "media_type": "image/webp"},
            ],
            ["response.image_generation_call.partial_image"],
            id="image",
        ),
        pytest.param(
            {"id": "mcp_1", "type": "mcp_call", "name": "roll", "server_label": "dice", "arguments": ""},
            [("mcp_call_arguments.delta", {"delta": '{"n":1}'}), ("mcp_call_arguments.done", {"arguments": '{"n":1}'})],
            {"arguments": '{"n":1}', "output": "4"},
            [used("roll", "mcp_1", '{"n":1}'), used("roll", "mcp_1", "4") | {"kind": "tool_result"}],
            [{"server_label": "dice"}],
            id="remote tool",
        ),
        pytest.param(
            {"id": "mcp_1", "type": "mcp_call", "name": "roll", "server_label": "dice", "arguments": "{}"},
            [("mcp_call.failed", {})],
            {"error": {"type": "http_error", "code": 500}, "status": "failed"},
            [
                used("roll", "mcp_1", "{}"),
                used("roll", "mcp_1", '{"type":"http_error","code":500}') | {"kind": "tool_result"},
            ],
            ["response.mcp_call.failed", {"server_label": "dice", "status": "failed"}],
            id="remote tool that failed",
        ),
        pytest.param(
            {"id": "l_1", "type": "mcp_list_tools", "server_label": "dice", "tools": []},
            [("mcp_list_tools.completed", {})],
            {"tools": [{"name": "roll"}]},
            [
                used("mcp_list_tools", "l_1", '{"server_label":"dice"}'),
                used("mcp_list_tools", "l_1", '[{"name":"roll"}]') | {"kind": "tool_result"},
            ],
            ["response.mcp_list_tools.completed"],
            id="list of remote tools",
        ),
    ],
)
async def test_tools_that_the_provider_runs(
    read: Read,
    item: dict[str, Any],
    events: list[tuple[str, dict[str, Any]]],
    done: dict[str, Any],
    expected: list[dict[str, Any]],
    raw: list[Any],
) -> None:
    got = await read(begun().item(item, *events, **done).message(output_text("So.")).end())
    assert got.parts()[:-1] == expected
    assert got.completed.finish_reason == "stop"
    kept = [data["type"] if "item" not in data else data["item"] for data in got.raw()]
    place = {"id": item["id"], "type": item["type"]}
    assert kept == [what if isinstance(what, str) else place | what for what in raw]


async def test_citations(read: Read) -> None:
    got = await read(begun().message(output_text("Blue.", CITED, {**CITED, "title": "U"})).end())
    (part,) = got.parts()
    assert part["annotations"] == [CITED, {**CITED, "title": "U"}]


async def test_citations_that_only_the_end_has(read: Read) -> None:
    script = begun().message(output_text("Blue.", CITED, {**CITED, "title": "U"}))
    script.events = [event for event in script.events if b"annotation.added" not in event or b'"U"' not in event]
    (part,) = (await read(script.end())).parts()
    assert part["annotations"] == [CITED, {**CITED, "title": "U"}]


async def test_what_is_unknown_is_kept_whole(read: Read) -> None:
    script = begun()
    script.add("response.hologram", shape={"round": True}, delta={"x": 1})
    script.item({"id": "x_1", "type": "hologram", "data": [1]})
    script.message(output_text("x"), phase="final_answer", cut=9)
    script.events[-1] = script.events[-1].replace(b'"output_index"', b'"glow": 2, "output_index"')
    got = await read(
        script.end(moderation={"input": {"flagged": True}}, tool_usage={"web_search": {"num_requests": 0}})
    )
    (event, item, glow, phase, about) = got.raw()
    assert event == {"type": "response.hologram", "sequence_number": 2, "shape": {"round": True}, "delta": {"x": 1}}
    assert item["item"] == {"id": "x_1", "type": "hologram", "data": [1]}
    assert glow == {"type": "response.output_item.done", "item_id": None, "glow": 2}
    assert phase["item"] == {"id": "msg_1", "type": "message", "phase": "final_answer"}
    assert about == {"type": "response.completed", "response": {"moderation": {"input": {"flagged": True}}}}
    assert all(event.protocol == "openai-responses" for event in got.events if isinstance(event, Raw))


def entry(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}


def weighed(got: Any) -> list[tuple[str, list[str] | None]]:
    deltas = [event for event in got.events if isinstance(event, Delta)]
    return [(event.delta, [one["token"] for one in event.logprobs] if event.logprobs else None) for event in deltas]


async def test_logprobs_are_of_the_piece_that_has_them(read: Read) -> None:
    script = begun().message(output_text("abcd"), cut=2)
    for at, token in ((4, "ab"), (5, "cd")):
        logs = json.dumps([{"token": token, "logprob": -0.5}]).encode()
        script.events[at] = script.events[at].replace(b'"logprobs": []', b'"logprobs": ' + logs)
    # All of them come once more at the end.
    logs = json.dumps([entry("ab"), entry("cd")]).encode()
    script.events[6] = script.events[6].replace(b'"logprobs": []', b'"logprobs": ' + logs)
    got = await read(script.end())
    assert weighed(got) == [("ab", ["ab"]), ("cd", ["cd"])]
    assert got.raw() == []
    (delta, _) = [event for event in got.events if isinstance(event, Delta)]
    assert delta.logprobs == [entry("ab")]


@pytest.mark.parametrize("pieces", [True, False])
async def test_logprobs_that_only_the_end_of_a_text_has(read: Read, pieces: bool) -> None:
    script = begun().message(output_text("abcd"), cut=2)
    logs = json.dumps([entry("ab"), entry("cd")]).encode()
    script.events[6] = script.events[6].replace(b'"logprobs": []', b'"logprobs": ' + logs)
    if not pieces:
        del script.events[4:6]
    got = await read(script.end())
    all_of_them = ["ab", "cd"]
    assert weighed(got) == ([("ab", None), ("cd", None), ("", all_of_them)] if pieces else [("abcd", all_of_them)])
    assert got.parts()[0]["text"] == "abcd"


async def test_logprobs_of_a_whole_response(read: Read) -> None:
    content = {**output_text("abcd"), "logprobs": [entry("ab"), entry("cd")]}
    script = begun().message(content, cut=9)
    (created, _, *_, item) = script.events
    got = await read(created + script.end().events[-1])
    assert item
    assert weighed(got) == [("abcd", ["ab", "cd"])]


async def test_logprobs_of_an_empty_piece_and_such_as_are_none(read: Read) -> None:
    script = begun().message(output_text("abcd"), cut=2)
    empty = json.dumps([entry("")]).encode()
    script.events[4] = script.events[4].replace(b'"delta": "ab"', b'"delta": ""').replace(b"[]", empty)
    script.events[5] = script.events[5].replace(b'"delta": "cd"', b'"delta": "abcd"').replace(b"[]", b'[{"token": 1}]')
    got = await read(script.end())
    assert weighed(got) == [("", [""]), ("abcd", None)]
    assert [data["logprobs"] for data in got.raw()] == [[{"token": 1}]]


async def test_the_tier_that_serves_it_and_not_what_was_asked(read: Read) -> None:
    script = Script()
    script.add("response.created", response=script.response("in_progress", service_tier="auto"))
    got = await read(script.message(output_text("x")).end(service_tier="flex"))
    names = [event for event in got.events if isinstance(event, Response)]
    assert [(name.response_id, name.model, name.service_tier or None) for name in names] == [
        ("resp_1", "gpt-x-001", None),
        ("resp_1", "gpt-x-001", "flex"),
    ]


async def test_the_category_of_azures_filter(read: Read) -> None:
    filters = [{"source_type": "completion", "content_filter_results": {"hate": {"filtered": True}}}]
    script = begun().message(output_text("x"))
    ended = script.end("incomplete", incomplete_details={"reason": "content_filter"}, content_filters=filters)
    got = await read(ended)
    assert got.completed.refusal_category == "hate"
    assert got.raw()[-1]["response"] == {"content_filters": filters}


@pytest.mark.parametrize(
    ("item", "failed"),
    [
        ({"type": "mcp_call", "name": "roll", "arguments": "{}", "output": "4"}, False),
        ({"type": "mcp_call", "name": "roll", "arguments": "{}", "error": "no dice", "status": "failed"}, True),
        ({"type": "mcp_list_tools", "server_label": "s", "tools": [], "error": {"code": 1}}, True),
        ({"type": "code_interpreter_call", "code": "1", "outputs": [{"type": "logs", "logs": "1"}]}, False),
        ({"type": "file_search_call", "queries": ["q"], "results": [{"file_id": "f"}], "status": "failed"}, True),
    ],
)  # fmt: skip
async def test_results_say_what_they_are_and_whether_the_tool_failed(
    read: Read, item: dict[str, Any], failed: bool
) -> None:
    script = begun().item({"id": "x_1", "type": item["type"]}, **item)
    (result,) = [e for e in (await read(script.end())).events if isinstance(e, Part) and e.kind == "tool_result"]
    assert (result.result_type, result.is_error or None) == (item["type"], failed or None)


async def test_citations_say_whose_shape_they_have(read: Read) -> None:
    got = await read(begun().message(output_text("Blue.", CITED)).end())
    assert [event.protocol for event in got.events if isinstance(event, Annotation)] == ["openai-responses"]


async def test_usage(read: Read) -> None:
    counted = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 3},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 150,
        "cost": 0.5,
    }
    got = await read(begun().message(output_text("x")).end(usage=counted))
    assert got.completed.usage == Usage(100, 50, 60, 10, 20, audio_input_tokens=3)
    assert got.raw()[-1]["response"] == {"usage": {"cost": 0.5}}
    beside = await read(begun().end(usage={**counted, "total_tokens": 170}))
    assert beside.completed.usage == Usage(100, 70, 60, 10, 20, audio_input_tokens=3)
    assert (await read(begun().end(usage=None))).completed.usage is None


@pytest.mark.parametrize(
    ("kind", "details", "expected"),
    [
        ("completed", None, ("stop", "completed")),
        ("incomplete", {"reason": "max_output_tokens"}, ("length", "max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, ("content_filter", "content_filter")),
        ("incomplete", {"reason": "max_messages"}, ("other", "max_messages")),
        ("incomplete", None, ("other", "incomplete")),
        ("completed", {"reason": "max_output_tokens"}, ("stop", "completed")),
    ],
)
async def test_finish_reasons(read: Read, kind: str, details: Any, expected: tuple[str, str]) -> None:
    completed = (await read(begun().message(output_text("x")).end(kind, incomplete_details=details))).completed
    assert (completed.finish_reason, completed.raw_finish_reason) == expected


async def test_an_answer_that_is_cut_by_its_status(read: Read) -> None:
    """As aimock sends it."""
    got = await read(begun().add("response.completed", response={"status": "incomplete"}))
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("other", "incomplete")


async def test_a_call_does_not_hide_why_it_ended(read: Read) -> None:
    script = begun().call("f", "{}").end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert (await read(script)).completed.finish_reason == "length"


@pytest.mark.parametrize(
    ("code", "expected", "retryable"),
    [
        ("server_error", "provider_error", True),
        ("rate_limit_exceeded", "rate_limit", True),
        ("invalid_prompt", "bad_request", False),
        ("image_too_large", "bad_request", False),
        ("image_content_policy_violation", "content_filter", False),
        ("vector_store_timeout", "provider_timeout", True),
    ],
)
@pytest.mark.parametrize("how", ["failed", "flat", "nested"])
async def test_an_error_in_the_stream(read: Read, code: str, expected: str, retryable: bool, how: str) -> None:
    error = {"code": code, "message": "You said: SECRET"}
    script = begun().message(output_text("x"))
    if how == "failed":
        script.end("failed", error=error)
    else:
        script.add("error", **({**error, "param": None} if how == "flat" else {"error": {**error, "type": "x"}}))
    got = await read(script)
    assert (got.failure.code, got.failure.retryable) == (expected, retryable)
    assert got.failure.over
    assert code in got.failure.message
    assert "SECRET" not in got.failure.message
    # What it cost is known all the same.
    assert [e.usage for e in got.events if isinstance(e, UsageReport)] == ([Usage(4, 2, 1)] if how == "failed" else [])


async def test_an_answer_that_was_cancelled_there(read: Read) -> None:
    for script in (begun().end("cancelled"), begun().add("response.failed", response={"status": "cancelled"})):
        failure = (await read(script)).failure
        assert (failure.code, failure.retryable, failure.over) == ("provider_error", False, True)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        pytest.param(b"", "incomplete_stream", id="clean end"),
        pytest.param(b"data: [DONE]\n\n", "incomplete_stream", id="only done"),
        pytest.param(Script().end().body[:-9], "incomplete_stream", id="half an end"),
        pytest.param(b'data: {"type":\n\n', "invalid_response", id="no JSON"),
        pytest.param(b"data: [1]\n\n", "incomplete_stream", id="no object"),
        pytest.param(b'data: {"type":"response.output_text.delta","delta":[]}\n\n', "incomplete_stream", id="no text"),
    ],
)
async def test_an_end_that_is_none(read: Read, rest: bytes, code: str) -> None:
    got = await read(begun().message(output_text("x")).body + rest)
    assert (got.failure.code, got.failure.retryable) == (code, True)
    assert got.parts()[0]["text"] == "x"


async def test_a_server_that_says_everything_only_at_the_end(read: Read) -> None:
    whole = rich()
    last = json.loads(whole.events[-1].partition(b"data: ")[2])
    got = await read(Script().add("response.completed", response=last["response"]))
    assert got.parts() == (await read(whole)).parts()
    assert got.completed.response_id == "resp_1"


async def test_a_server_without_beginnings_or_numbers(read: Read) -> None:
    lines = [event for event in begun().message(output_text("Hello.")).end().events if b".added" not in event]
    body = b"".join(lines)
    for number in range(12):
        body = body.replace(b'"sequence_number": %d, ' % number, b"")
    got = await read(body)
    assert got.parts() == [{"kind": "text", "text": "Hello.", "item_id": "msg_1"}]
    assert all(not event.sequence_number for event in got.events)


async def test_text_that_the_deltas_did_not_have(read: Read) -> None:
    script = begun().message(output_text("Hello."))
    script.events = [event for event in script.events if b'"delta": "lo."' not in event]
    assert (await read(script.end())).parts()[0]["text"] == "Hello."


async def test_text_that_ends_otherwise_is_kept(read: Read) -> None:
    script = begun().message(output_text("Hello."))
    script.events = [event.replace(b'"text": "Hello."', b'"text": "Bye."') for event in script.events]
    got = await read(script.end())
    assert got.parts()[0]["text"] == "Hello."
    assert [data["text"] for data in got.raw()] == ["Bye."]


async def test_ids_that_change_on_the_way(read: Read) -> None:
    """As one gateway sends them: each event's id is encrypted anew."""
    script = begun().message(output_text("Hello."))
    script.events = [event.replace(b"msg_1", b"msg_%d" % n) for n, event in enumerate(script.events)]
    assert [part["text"] for part in (await read(script.end())).parts()] == ["Hello."]


async def test_two_items_in_one_place(read: Read) -> None:
    script = begun().message(output_text("One."))
    script.output.clear()
    script.message(output_text("Two."), id="msg_2")
    assert [part["text"] for part in (await read(script.end())).parts()] == ["One.", "Two."]


def as_parts(response: Any) -> list[dict[str, Any]]:
    """What the SDK accumulated, as our parts."""
    parts: list[dict[str, Any]] = []
    for item in response.output:
        named = {"item_id": item.id}
        if item.type == "message":
            for content in item.content:
                said = content.text if content.type == "output_text" else content.refusal
                part = {"kind": "text" if content.type == "output_text" else "refusal", "text": said, **named}
                if getattr(content, "annotations", None):
                    part["annotations"] = [annotation.to_dict() for annotation in content.annotations]
                parts.append(part)
        elif item.type == "reasoning":
            parts += [{"kind": "reasoning", "text": s.text, "summary": True, **named} for s in item.summary]
            if item.encrypted_content:
                parts[-1] |= {"encrypted": item.encrypted_content, "provider": "openai"}
        elif item.type == "function_call":
            called = {"call_id": item.call_id, "name": item.name, "executor": "client"}
            parts.append({"kind": "tool_call", "text": item.arguments, **named, **called})
    return parts


def known(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for part in parts if part["kind"] != "file" and part.get("executor") != "provider"]


async def accumulated(url: str, model: str, **fields: Any) -> Any:
    async with (
        AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client,
        client.responses.stream(model=model, input="Why is the sky blue?", **fields) as stream,
    ):
        return await stream.get_final_response()


def check(got: Outcome, response: Any) -> None:
    assert known(got.parts()) == as_parts(response)
    assert got.response.model == response.model
    assert got.completed.raw_finish_reason == response.status
    assert got.completed.usage == Usage(
        response.usage.input_tokens,
        response.usage.output_tokens,
        response.usage.input_tokens_details.cached_tokens,
        response.usage.input_tokens_details.cache_write_tokens,
        response.usage.output_tokens_details.reasoning_tokens,
    )


async def test_the_sdk_accumulates_the_same(read: Read, upstream: Upstream) -> None:
    # It takes an item that it does not know for a message.
    got = await read(rich(unknown=False))
    response = await accumulated(upstream.url, "m")
    check(got, response)
    assert got.completed.response_id == response.id
    assert COUNTED["total_tokens"] == response.usage.total_tokens


# Ends under other names, and errors of all shapes.


RESPONSE = {
    "id": "resp_9", "object": "response", "status": "completed", "model": "m", "error": None,
    "output": [{"type": "message", "id": "msg_1", "content": [output_text("Hello")]}], "usage": COUNTED,
}  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", ["response.done", "response.finished", "RESPONSE.COMPLETED", "done", ""])
async def test_an_end_of_another_name(read: Read, kind: str, streamed: bool) -> None:
    script = begun()
    if streamed:
        script.message(output_text("Hello"))
    got = await read(script.add(kind, response=RESPONSE))
    assert [part["text"] for part in got.parts()] == ["Hello"]
    assert (got.completed.finish_reason, got.completed.usage) == ("stop", Usage(4, 2, 1))


@pytest.mark.parametrize("response", [{}, {"response": None}, {"response": {}}])
async def test_an_end_without_a_response(read: Read, response: Any) -> None:
    got = await read(begun().message(output_text("Hello")).add("response.done", **response))
    assert (got.error, got.completed.finish_reason, got.completed.usage) == (None, "stop", None)


@pytest.mark.parametrize("frame", ["%s", "data: %s\n\n", "event: response.completed\ndata: %s\n\n", "[%s]"])
async def test_a_response_in_one_document(read: Read, frame: str) -> None:
    body = (frame % json.dumps(RESPONSE)).encode()
    got = await read(body, headers={"content-type": "application/json"})
    assert [part["text"] for part in got.parts()] == ["Hello"]
    assert (got.response.response_id, got.response.model, got.completed.usage) == ("resp_9", "m", Usage(4, 2, 1))
    assert got.raw() == []


@pytest.mark.parametrize("status", ["in_progress", "queued"])
async def test_a_document_that_is_not_complete(read: Read, status: str) -> None:
    got = await read(json.dumps({**RESPONSE, "status": status}).encode())
    assert (got.failure.code, got.parts()) == ("incomplete_stream", [])


async def test_the_beginning_is_no_end_whatever_its_status(read: Read) -> None:
    script = Script().add("response.created", response=RESPONSE).message(output_text("Hello"))
    assert (await read(script)).failure.code == "incomplete_stream"
    assert [part["text"] for part in (await read(script.end())).parts()] == ["Hello"]


@pytest.mark.parametrize("text", ['{"type": "ping"}', "{}", "ping", '{"type": "response.heartbeat"}'])
async def test_keep_alives_say_nothing(read: Read, text: str) -> None:
    word = f"data: {text}\n\n".encode()
    got = await read(word + begun().message(output_text("Hello")).body + word + Script().end().body)
    assert (got.raw(), [part["text"] for part in got.parts()]) == ([], ["Hello"])


FAILED: dict[str, Any] = {"id": "resp_1", "status": "failed", "error": None, "output": [], "usage": None}
RATE = {"type": "too_many_requests", "code": "rate_limit_exceeded", "message": "SECRET", "param": None}
FILTER = {"type": "invalid_request_error", "code": "content_filter", "message": "SECRET", "param": "prompt"}


@pytest.mark.parametrize("how", [{"error": None}, {"error": {}}, {"error": {"code": None, "message": ""}}, {}])
@pytest.mark.parametrize("end", ["complete", "hang"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"error": RATE}, ("rate_limit", True)),
        (RATE, ("rate_limit", True)),
        ({"error": FILTER}, ("content_filter", False)),
        (None, ("provider_error", True)),
    ],
)
@pytest.mark.parametrize("times", [CallTimes(after_finish_s=0.2)])
async def test_a_failure_whose_cause_is_in_the_event_behind_it(
    read: Read, how: Any, end: End, error: Any, expected: tuple[str, bool]
) -> None:
    script = begun().add("response.failed", response={k: v for k, v in FAILED.items() if k != "error"} | how)
    if error is not None:
        script.add("error", **({"error": error["error"]} if "error" in error else {**error, "type": "error"}))
    got = await read(script, end)
    assert (got.failure.code, got.failure.retryable) == expected
    assert got.failure.over or error is not None
    assert "SECRET" not in f"{got.failure} {got.events}"


@pytest.mark.parametrize("rest", [b"data: [DONE]\n\n", b": ping\n\n", b""])
@pytest.mark.parametrize("times", [CallTimes(after_finish_s=600.0)])
async def test_a_failure_without_a_cause_is_one_at_the_end(read: Read, rest: bytes) -> None:
    got = await read(begun().add("response.failed", response=FAILED).body + rest)
    assert (got.failure.code, got.failure.retryable, got.failure.over) == ("provider_error", True, True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"error": RATE}, "rate_limit"),
        ({"response": None, "error": RATE}, "rate_limit"),
        ({"code": "rate_limit_exceeded", "message": "SECRET"}, "rate_limit"),
        ({"response": {**FAILED, "incomplete_details": {"reason": "content_filter"}}}, "content_filter"),
        ({"response": {**FAILED, "error": "SECRET"}}, "provider_error"),
    ],
)
async def test_where_a_failure_says_its_cause(read: Read, fields: Any, code: str) -> None:
    got = await read(begun().add("response.failed", **fields), "hang")
    assert (got.failure.code, got.failure.over) == (code, True)
    assert "SECRET" not in str(got.failure)


@pytest.mark.parametrize(
    "frame", ["data: %s\n\n", "event: error\ndata: %s\n\n", "error: %s\n\n", "data: [%s]\n\n", "%s\n\n"]
)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"error": {"message": "SECRET", "code": 429}}, "rate_limit"),
        ({"error": "SECRET"}, "provider_error"),
        ({"code": 401, "message": "SECRET"}, "authentication"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "SECRET"}}, "overloaded"),
        ({"type": "response.error", "code": "rate_limit_exceeded", "message": "SECRET"}, "rate_limit"),
        ({"type": "response.output_text.delta", "error": {"code": 503, "message": "SECRET"}}, "overloaded"),
        ({"type": "response.output_item.done", "error": {"code": 503, "message": "SECRET"}}, "overloaded"),
        ({"detail": "SECRET"}, "provider_error"),
    ],
)
async def test_an_error_is_never_raw(read: Read, frame: str, error: Any, code: str) -> None:
    got = await read(begun().message(output_text("x")).body + (frame % json.dumps(error)).encode())
    assert (got.failure.code, got.raw()) == (code, [])
    assert "SECRET" not in f"{got.failure} {got.events}"
