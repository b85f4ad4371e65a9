"""The chunks of Chat: which part of them is what."""

from typing import Any

from simulator.quirks.chat_chunks import Message, call_of, choice_of, chunk, delta_of, each_fragment, is_finish
from simulator.quirks.event import Event


def said(finish: str | None = None, **delta: Any) -> Event:
    return Event(0, {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def fragment(index: int, arguments: str, **first: Any) -> Event:
    name = {"name": first.pop("name")} if first else {}
    return said(tool_calls=[{"index": index, **first, "function": {**name, "arguments": arguments}}])


CALLS = [
    fragment(0, "", id="a", name="one", type="function"),
    fragment(1, "", id="b", name="two", type="function"),
    fragment(0, '{"x":'),
    fragment(1, "{}"),
    fragment(0, "1}"),
]


def test_what_is_no_chunk_has_nothing() -> None:
    for event in (Event(0, "[DONE]"), Event(0, {"choices": [], "usage": {}})):
        assert choice_of(event) is None
        assert delta_of(event) == {}
        assert call_of(event) is None
        assert not is_finish(event)
    assert is_finish(said("stop"))
    assert not is_finish(said(content="a"))


def test_a_message_is_all_that_was_said() -> None:
    message = Message()
    for event in (
        said(role="assistant", content=""),
        said(reasoning_content="Hm"),
        said(content="a"),
        said(content="b"),
    ):
        message.add(event)
    assert message.whole() == {"role": "assistant", "content": "ab", "reasoning_content": "Hm"}
    for event in CALLS:
        message.add(event)
    function = {"name": "one", "arguments": '{"x":1}'}
    assert message.calls[0] == {"index": 0, "id": "a", "type": "function", "function": function}
    assert [call["function"]["arguments"] for call in message.whole()["tool_calls"]] == ['{"x":1}', "{}"]
    assert Message().whole() == {"role": "assistant", "content": None}


def test_fragments_are_counted_in_their_call_and_know_its_first() -> None:
    seen = []

    def note(given: dict[str, Any], n: int, first: dict[str, Any]) -> None:
        seen.append((given["index"], n, first["id"]))
        given.clear()

    for _ in range(2):
        # A change has no memory of another answer.
        events = [fragment(0, "", id="a", name="x"), fragment(1, "", id="b", name="y"), fragment(0, "{}")]
        assert len(list(each_fragment(note)(iter(events)))) == 3
    assert seen == [(0, 0, "a"), (1, 0, "b"), (0, 1, "a")] * 2


def test_a_chunk_like_another_has_its_names() -> None:
    made = chunk(said("stop", content="a"), {"content": "b"})
    assert made.data["id"] == "c"
    assert made.data["choices"] == [{"index": 0, "delta": {"content": "b"}, "logprobs": None, "finish_reason": None}]
