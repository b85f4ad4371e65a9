"""Which call a piece is of, in each of the ways in which endpoints tell calls apart, or do not."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.openai_chat.call_identity import Call, begins, is_object, nearest, same
from worker.providers.openai_chat.chunk import Function, ToolCallDelta

WHOLE = '{"a": 1}'


def made(index: int | None = 0, id: str = "", name: str = "f", said: str = "", part: int | None = 0) -> Call:
    call = Call(index, id, name, part)
    call.arguments.feed(said)
    return call


def piece(index: int | None = 0, id: str | None = None, name: str | None = None, type: Any = None) -> ToolCallDelta:
    return ToolCallDelta(index=index, id=id, type=type, function=Function(name=name))


FIRST, SECOND = made(0, "a"), made(0, "b")


@pytest.mark.parametrize(
    ("calls", "of", "found"),
    [
        ([], piece(), None),
        ([FIRST, SECOND], piece(), SECOND),
        ([FIRST, SECOND], piece(id="a"), FIRST),
        ([FIRST, SECOND], piece(id="new"), SECOND),
        ([FIRST, SECOND], piece(None), SECOND),
        ([FIRST, SECOND], piece(None, id="a"), FIRST),
        ([FIRST, SECOND], piece(1), None),
        ([FIRST, SECOND], piece(1, id="a"), FIRST),
        # Some give all calls one id, and number them.
        ([FIRST, SECOND], piece(1, id="a", name="f"), None),
    ],
)
def test_the_nearest_call(calls: list[Call], of: ToolCallDelta, found: Call | None) -> None:
    assert nearest(calls, of) is found


@pytest.mark.parametrize(
    ("call", "of", "text", "new"),
    [
        # Another id and a name.
        (made(id="a", said=WHOLE), piece(id="b", name="g"), WHOLE, True),
        (made(id="a"), piece(id="b", name="f"), WHOLE, True),
        (made(id="a", said='{"a"'), piece(id="b", name="f"), ": 1}", False),
        # Another id without a name.
        (made(id="a", said='{"a"'), piece(id="b"), ": 1}", False),
        (made(id="a", said=WHOLE), piece(id="b"), '{"b": 2}', True),
        (made(id="a", said=WHOLE), piece(id="b"), WHOLE, False),
        (made(id="a", said=WHOLE), piece(id="b"), " ", False),
        # The same id, or none, and a name.
        (made(said=WHOLE), piece(name="f"), WHOLE, True),
        (made(said=WHOLE), piece(name="g"), "", True),
        (made(said='{"a"'), piece(name="f"), ": 1}", False),
        (made(said=""), piece(name="g"), WHOLE, True),
        # Pieces of a name.
        (made(part=None, name="get_"), piece(name="time"), WHOLE, False),
        (made(part=None, name="get_", id="a"), piece(name="time", id="a", type="function"), "", False),
        (made(part=None, name="get_"), piece(name="get_time", type="function"), "", False),
        (made(part=None), piece(name="g", type="function"), "", True),
        (made(part=None, name=""), piece(name="f"), WHOLE, False),
        # Neither.
        (made(said=WHOLE), piece(), "x", False),
    ],
)
def test_what_begins_a_call(call: Call, of: ToolCallDelta, text: str, new: bool) -> None:
    assert of.function is not None
    assert begins(call, of, of.function.name or "", text, beside=False) is new


def test_what_stands_beside_a_call_in_one_chunk_with_a_name_is_another() -> None:
    assert begins(made(part=None), piece(name="f"), "f", "", beside=True)
    assert not begins(made(part=None), piece(), "", "x", beside=True)


@pytest.mark.parametrize(
    ("calls", "of", "place", "text", "found"),
    [
        ([made(0, "a", said=WHOLE)], piece(None, id="a", name="f"), 0, WHOLE, 0),
        ([made(0, "a", said=WHOLE)], piece(None, name="f"), 0, WHOLE, 0),
        ([made(0, "a", said=WHOLE)], piece(None, name="f"), 0, '{"b": 2}', None),
        ([made(0, "a", said=WHOLE)], piece(None, name="g"), 0, WHOLE, None),
        ([made(0, "a", said='{"a"')], piece(None, id="other", name="f"), 0, WHOLE, 0),
        ([made(0, said=WHOLE), made(1, name="g", said=WHOLE)], piece(1, name="g"), 0, WHOLE, 1),
        ([made(0, said=WHOLE), made(0, name="g", said=WHOLE)], piece(0, name="g"), 1, WHOLE, 1),
        ([made(0, said=WHOLE)], piece(None, name="f"), 1, WHOLE, None),
    ],
)
def test_the_call_that_one_of_a_whole_message_is(
    calls: list[Call], of: ToolCallDelta, place: int, text: str, found: int | None
) -> None:
    assert of.function is not None
    assert same(calls, of, place, of.function.name or "", text) is (None if found is None else calls[found])


@pytest.mark.parametrize(("text", "true"), [("{}", True), ("[]", False), ("{", False), ("", False)])
def test_objects(text: str, true: bool) -> None:
    assert is_object(text) is true
