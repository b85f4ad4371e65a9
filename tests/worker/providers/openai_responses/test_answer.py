"""What Responses endpoints say elsewhere than the protocol has it, or only in the end, over real HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.worker.providers.openai_responses.conftest import Read
from tests.worker.providers.openai_responses.responses_stream import CITED, Script, output_text

CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "rain", "arguments": '{"a":1}'}
MADE = {
    "kind": "tool_call", "text": '{"a":1}', "item_id": "fc_1", "call_id": "call_1", "name": "rain",
    "executor": "client",
}  # fmt: skip
ABOUT = {"output_index": 0, "item_id": "fc_1"}
ARGUMENTS = "response.function_call_arguments"


def message(*texts: str, id: str = "msg_1", **fields: Any) -> dict[str, Any]:
    return {"id": id, "type": "message", "content": [output_text(text) for text in texts], **fields}


def begun() -> Script:
    return Script().begin()


def ended(script: Script, *output: dict[str, Any]) -> Script:
    """With these items in the whole response."""
    script.output = list(output)
    return script.end()


def without(script: Script, *words: str) -> Script:
    """Without the events that have all of these words."""
    script.events = [event for event in script.events if not all(word.encode() in event for word in words)]
    return script


# What only the whole response says.


async def test_a_call_that_only_the_end_has(read: Read) -> None:
    got = await read(ended(begun().message(output_text("Hello")), message("Hello"), CALL))
    assert got.parts()[1:] == [MADE]
    assert got.completed.finish_reason == "tool_calls"


@pytest.mark.parametrize("lost", [["lo."], ["lo.", ".done"], ["delta"], [".done"]])
async def test_the_rest_of_a_text(read: Read, lost: list[str]) -> None:
    script = begun().message(output_text("Hello."))
    for word in lost:
        kept = [event for event in script.events[:-1] if f'"{word}"'.encode() not in event and word != "delta"]
        script.events = [event for event in kept if word.encode() not in event or word == "lo."]
    got = await read(ended(script, message("Hello.")))
    assert [part["text"] for part in got.parts()] == ["Hello."]


async def test_a_text_that_was_cut_at_its_end_goes_on_in_another_part(read: Read) -> None:
    got = await read(ended(begun().message(output_text("Hello")), message("Hello there", "!")))
    assert [(part["text"], part["item_id"]) for part in got.parts()] == [
        ("Hello", "msg_1"), (" there", "msg_1"), ("!", "msg_1"),
    ]  # fmt: skip


async def test_arguments_that_only_the_end_has(read: Read) -> None:
    added = {**CALL, "arguments": ""}
    for rest in ([], [("response.output_item.done", {"output_index": 0, "item": added})]):
        script = begun().add("response.output_item.added", output_index=0, item=added)
        for kind, fields in rest:
            script.add(kind, **fields)
        got = await read(ended(script, CALL))
        assert got.parts() == [MADE]


async def test_a_message_before_another_cannot_be_said_any_more(read: Read) -> None:
    got = await read(ended(begun().message(output_text("Two.")), message("One.", id="msg_0"), message("Two.")))
    assert (got.failure.code, got.failure.retryable, got.failure.over) == ("invalid_response", True, True)


async def test_a_piece_that_was_lost_in_the_middle_is_no_answer(read: Read) -> None:
    script = without(begun().message(output_text("Hello there.")), '"delta": "lo "')
    assert (await read(script.end())).failure.code == "invalid_response"
    script = without(begun().call("rain", '{"x": "some text"}'), '"delta": "ome "')
    assert (await read(script.end())).failure.code == "invalid_response"


async def test_half_of_a_call_that_nothing_repeats_is_no_answer(read: Read) -> None:
    script = without(without(begun().call("rain", '{"x": 1}'), ".done"), '"delta": ": 1}"')
    got = await read(ended(script))
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)
    script.events.pop()
    script.end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert (await read(script)).completed.finish_reason == "length"


async def test_citations_that_only_the_whole_response_has(read: Read) -> None:
    script = begun().message(output_text("Blue."))
    got = await read(ended(script, {"id": "msg_1", "type": "message", "content": [output_text("Blue.", CITED)]}))
    assert [part.get("annotations") for part in got.parts()] == [None, [CITED]]
    assert [part["text"] for part in got.parts()] == ["Blue.", ""]


async def test_what_is_encrypted_only_in_the_whole_response(read: Read) -> None:
    thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    script = begun().reasoning("Hm.")
    sealed = {**thought, "encrypted_content": "ZW5j"}
    got = await read(ended(script, sealed))
    assert [(part["text"], part.get("encrypted")) for part in got.parts()] == [("Hm.", None), ("", "ZW5j")]
    got = await read(ended(without(script, "output_item.done"), sealed))
    assert [(part["text"], part.get("encrypted")) for part in got.parts()] == [("Hm.", "ZW5j")]


async def test_an_output_text_beside_no_output(read: Read) -> None:
    got = await read(begun().end(output_text="Hello"))
    assert [part["text"] for part in got.parts()] == ["Hello"]


@pytest.mark.parametrize("content", ["Hello", ["Hel", "lo"], {"type": "text", "text": "Hello"}])
async def test_contents_of_other_shapes(read: Read, content: Any) -> None:
    got = await read(ended(begun(), {"type": "message", "content": content}))
    assert "".join(part["text"] for part in got.parts()) == "Hello"


async def test_reasoning_that_is_a_summary_in_the_end(read: Read) -> None:
    script = begun().add("response.reasoning_text.delta", output_index=0, item_id="rs_1", content_index=0, delta="Hm")
    got = await read(ended(script, {"id": "rs_1", "type": "reasoning", "summary": ["Hm"]}))
    assert [part["text"] for part in got.parts()] == ["Hm"]


# Calls whose name or id comes late.


@pytest.mark.parametrize(
    "added",
    [
        None,
        CALL | {"arguments": ""},
        {"id": "fc_1", "type": "function_call"},
        {"type": "function_call", "name": "rain"},
    ],
)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("done", [False, True])
async def test_arguments_before_the_call_is_named(read: Read, added: Any, first: bool, done: bool) -> None:
    script = begun()
    if added and first:
        script.add("response.output_item.added", output_index=0, item=added)
    for piece in ('{"a"', ":1}"):
        script.add(f"{ARGUMENTS}.delta", **ABOUT, delta=piece)
    if added and not first:
        script.add("response.output_item.added", output_index=0, item=added)
    if done:
        script.add(f"{ARGUMENTS}.done", **ABOUT, arguments='{"a":1}')
        script.add("response.output_item.done", output_index=0, item=CALL)
    got = await read(ended(script, CALL))
    assert got.parts() == [MADE]
    assert (got.completed.finish_reason, got.raw()) == ("tool_calls", [])


async def test_a_call_that_nobody_names_is_none(read: Read) -> None:
    script = begun().add(f"{ARGUMENTS}.delta", **ABOUT, delta='{"a":1}')
    got = await read(ended(script))
    assert (got.parts(), got.completed.finish_reason) == ([], "stop")
    assert got.raw()[0]["item"] == {"id": "fc_1", "type": "function_call", "arguments": '{"a":1}'}


async def test_a_call_without_an_id_gets_one(read: Read) -> None:
    got = await read(ended(begun(), {"type": "function_call", "name": "rain", "arguments": "{}"}))
    assert [(part["call_id"], part["name"]) for part in got.parts()] == [("call_0", "rain")]


async def test_arguments_by_their_call_id(read: Read) -> None:
    """As DeepSeek sends them."""
    script = begun()
    items = [{**CALL, "id": f"fc_{n}", "call_id": f"call_{n}", "arguments": ""} for n in (1, 2)]
    for n, item in enumerate(items):
        script.add("response.output_item.added", output_index=n, item=item)
    for n, piece in ((1, '{"a"'), (2, '{"b"'), (1, ":1}"), (2, ":2}")):
        script.add(f"{ARGUMENTS}.delta", response_id="resp_1", call_id=f"call_{n}", delta=piece)
    got = await read(ended(script))
    assert [(part["call_id"], part["text"]) for part in got.parts()] == [("call_1", '{"a":1}'), ("call_2", '{"b":2}')]
    assert got.raw() == []


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (['{"a":1}', '{"a":1}'], '{"a":1}'),
        (['{"a"', ":1}", '{"a":1}'], '{"a":1}'),
        (["{}", '{"a"', ":1}"], '{"a":1}'),
        (["{}"], "{}"),
        (["{}", "{}"], "{}"),
        (["{", "}"], "{}"),
    ],
)
@pytest.mark.parametrize("repeated", [False, True])
async def test_arguments_are_said_once(read: Read, pieces: list[str], whole: str, repeated: bool) -> None:
    script = begun().add("response.output_item.added", output_index=0, item={**CALL, "arguments": ""})
    for piece in pieces:
        script.add(f"{ARGUMENTS}.delta", **ABOUT, delta=piece)
    got = await read(ended(script, *([{**CALL, "arguments": whole}] if repeated else [])))
    assert [part["text"] for part in got.parts()] == [whole]


@pytest.mark.parametrize(("arguments", "same"), [('{"a":1}', True), ({"a": 1}, True), ('{"a":2}', False)])
async def test_arguments_that_are_written_otherwise_in_the_end(read: Read, arguments: Any, same: bool) -> None:
    got = await read(ended(begun().call("rain", '{"a": 1}'), {**CALL, "arguments": arguments}))
    assert [part["text"] for part in got.parts()] == ['{"a": 1}']
    assert (None if got.error is None else got.error.code) == (None if same else "invalid_response")


# Numbers, ids and places that are wrong.


def grown(indices: list[int], *, kind: str = "output_text", place: int = 0) -> Script:
    """A content in pieces with these numbers."""
    script = begun()
    for piece, index in zip(["Hel", "lo", "."], indices, strict=True):
        script.add(f"response.{kind}.delta", item_id="x_1", output_index=place, content_index=index, delta=piece)
    return script


@pytest.mark.parametrize("indices", [[0, 0, 0], [1, 1, 1], [0, 1, 2], [3, 4, 5]])
@pytest.mark.parametrize("last", [0, 1, 3])
@pytest.mark.parametrize("kind", ["output_text", "reasoning_text"])
async def test_contents_that_are_counted_otherwise(read: Read, indices: list[int], last: int, kind: str) -> None:
    """As vLLM counts them."""
    script = grown(indices, kind=kind)
    about = {"item_id": "x_1", "output_index": 0, "content_index": last}
    content = {"type": kind, "text": "Hello."}
    item = {"id": "x_1", "type": "message" if kind == "output_text" else "reasoning", "content": [content]}
    script.add(f"response.{kind}.done", **about, text="Hello.")
    script.add("response.reasoning_part.done" if kind != "output_text" else "response.content_part.done",
               **about, part=content)  # fmt: skip
    script.add("response.output_item.done", output_index=0, item=item)
    got = await read(ended(script, item))
    assert [part["text"] for part in got.parts()] == ["Hello."]
    assert got.raw() == []


async def test_the_same_text_twice_is_two_contents(read: Read) -> None:
    got = await read(begun().message(output_text("Hello"), output_text("Hello")).end())
    assert [part["text"] for part in got.parts()] == ["Hello", "Hello"]


async def test_a_place_that_changes_from_pieces_to_end(read: Read) -> None:
    """As vLLM's, where an item is at 7 in its pieces and at 8 in its end, as is the next one."""
    item = {"id": "x_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hello."}]}
    script = grown([0, 0, 0], kind="reasoning_text", place=7)
    script.add("response.output_item.done", output_index=8, item=item)
    script.add("response.output_item.added", output_index=8, item=message())
    script.add("response.output_text.delta", output_index=8, item_id="msg_1", delta="So.")
    got = await read(ended(script, item, message("So.")))
    assert [(part["kind"], part["text"]) for part in got.parts()] == [("reasoning", "Hello."), ("text", "So.")]


async def test_items_that_have_other_ids_in_the_end(read: Read) -> None:
    script = begun().reasoning("Hm.").message(output_text("So.")).call("rain", '{"a":1}')
    output = [{**item, "id": f"other_{n}"} for n, item in enumerate(script.output)]
    got = await read(ended(script, *output))
    assert [part["text"] for part in got.parts()] == ["Hm.", "So.", '{"a":1}']


async def test_two_calls_alike_of_which_one_is_only_in_the_end(read: Read) -> None:
    other = {**CALL, "id": "fc_2", "call_id": "call_2"}
    got = await read(ended(begun().call("rain", '{"a":1}'), other, CALL))
    assert sorted(part["call_id"] for part in got.parts()) == ["call_1", "call_2"]


async def test_one_place_for_all(read: Read) -> None:
    script = begun().message(output_text("So.")).call("rain", "{}").call("wind", "{}", id="fc_2", call_id="call_2")
    for n in range(3):
        script.events = [event.replace(b'"output_index": %d' % n, b'"output_index": 0') for event in script.events]
    assert [(part.get("name"), part["text"]) for part in (await read(script.end())).parts()] == [
        (None, "So."), ("rain", "{}"), ("wind", "{}"),
    ]  # fmt: skip


# Scalars of other types, and what is odd in usual events.


async def test_scalars_of_other_types(read: Read) -> None:
    script = begun().add("response.output_item.added", output_index="0", item={**message(), "id": 7})
    script.add("response.output_text.delta", output_index="0", item_id=7, content_index=None, delta=6, error="")
    script.add("response.output_text.delta", output_index=0.0, item_id=7, content_index="0", delta=None, error={})
    script.add("response.output_text.delta", output_index=0, item_id=7, delta={"text": "!"}, error=False)
    script.add("response.output_item.done", output_index=0, item={"id": 7, "type": "message", "content": [
        {"type": "output_text", "text": "6!"}]})  # fmt: skip
    script.add("response.output_item.done", output_index=1, item={**CALL, "call_id": 5, "arguments": {"a": 1}})
    got = await read(script.end())
    assert [(part["text"], part.get("call_id"), part["item_id"]) for part in got.parts()] == [
        ("6!", None, "7"), ('{"a":1}', "5", "fc_1"),
    ]  # fmt: skip
    assert got.raw() == []


@pytest.mark.parametrize(
    "usage", [[], [1], "many", 5, {"input_tokens": 3.5}, {"input_tokens": -1}, {"output_tokens": "x"}, False]
)
async def test_counts_that_are_none(read: Read, usage: Any) -> None:
    got = await read(begun().message(output_text("x")).end(usage=usage))
    assert (got.error, got.completed.usage) == (None, None)


async def test_counts_under_other_names_or_beside_the_response(read: Read) -> None:
    counted = {"prompt_tokens": 5, "completion_tokens": 2}
    got = await read(begun().end(usage=counted))
    assert got.completed.usage is not None
    assert (got.completed.usage.input_tokens, got.completed.usage.output_tokens) == (5, 2)
    got = await read(begun().add("response.completed", response={"status": "completed"}, usage=counted))
    assert got.completed.usage is not None
    assert got.completed.usage.input_tokens == 5


async def test_an_item_whose_beginning_is_all_of_it(read: Read) -> None:
    script = begun().add("response.output_item.added", output_index=0, item=message("Hello"))
    script.add("response.output_item.added", output_index=1, item=CALL)
    got = await read(script.end())
    assert got.parts() == [MADE, {"kind": "text", "text": "Hello", "item_id": "msg_1"}]
    script = begun().message(output_text("Hello")).call("rain", '{"a":1}')
    script.events = [event.replace(b'"arguments": ""', b'"arguments": "{}"') for event in script.events]
    assert [part["text"] for part in (await read(script.end())).parts()] == ["Hello", '{"a":1}']


async def test_a_piece_without_a_letter_begins_nothing(read: Read) -> None:
    script = begun().message(output_text("Hello"))
    script.add("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0, delta="")
    assert [part["text"] for part in (await read(script.end())).parts()] == ["Hello"]


async def test_what_is_beside_each_piece_is_kept_at_first_and_at_last(read: Read) -> None:
    script = begun()
    for number in range(50):
        script.add("response.output_text.delta", output_index=0, item_id="msg_1", delta="x", timings={"n": number})
    got = await read(script.end())
    assert [data["timings"] for data in got.raw()] == [{"n": 0}, {"n": 49}]
    assert [part["text"] for part in got.parts()] == ["x" * 50]


async def test_events_whose_type_is_only_their_name(read: Read) -> None:
    script = begun().reasoning("Hm.").message(output_text("So.")).call("rain", "{}").end()
    expected = (await read(script)).parts()
    script.events = [re.sub(rb'"type": "(response.[a-z_.]+)", ', b"", event) for event in script.events]
    assert (await read(script)).parts() == expected
    assert b'{"type": "response.' not in script.body


REASONED = {"id": "rs_1", "type": "reasoning", "summary": []}


@pytest.mark.parametrize("names", [["reasoning"], ["reasoning", "reasoning_text"], ["reasoning_text", "reasoning"]])
async def test_another_name_for_the_same(read: Read, names: list[str]) -> None:
    script = Script().begin()
    script.add("response.output_item.added", output_index=0, item=REASONED)
    for piece in ("Hm", "m."):
        for name in names:
            script.add(f"response.{name}.delta", item_id="rs_1", output_index=0, content_index=0, delta=piece)
    script.output.append({**REASONED, "content": [{"type": "reasoning_text", "text": "Hmm."}]})
    got = await read(script.end().body)
    assert (got.error, got.raw()) == (None, [])
    assert [(part["kind"], part["text"]) for part in got.parts()] == [("reasoning", "Hmm.")]


async def test_a_call_whose_end_has_another_call_id_is_one(read: Read) -> None:
    script = Script().begin().call("rain", '{"x":1}')
    body = script.end().body
    head, tail = body.split(b"event: response.output_item.done", 1)
    tail = tail.replace(b'"call_1"', b'"call_2"')
    got = await read(head + b"event: response.output_item.done" + tail)
    assert (got.error, [part["call_id"] for part in got.parts()]) == (None, ["call_1"])
