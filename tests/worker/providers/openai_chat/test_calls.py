"""Tool calls as endpoints really send them: each call once, with its name and valid arguments, over real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.log.events import Delta, Part
from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, chunk
from tests.worker.providers.upstream import Outcome
from worker.providers.openai_chat.calls import Calls
from worker.providers.openai_chat.chunk import Function, ToolCallDelta
from worker.providers.openai_chat.parts import ChatParts

FINISH = chunk({}, "tool_calls") + DONE
BONN, ROME = '{"city":"Bonn"}', '{"city":"Rome"}'


def tool(*entries: dict[str, Any]) -> bytes:
    return chunk({"tool_calls": list(entries)})


def fragment(index: int | None = 0, id: str | None = None, type: str | None = None, **function: Any) -> dict[str, Any]:
    fields = {"index": index, "id": id, "type": type}
    return {name: value for name, value in fields.items() if value is not None} | {"function": function}


def calls(got: Outcome) -> list[tuple[Any, ...]]:
    assert got.error is None
    found = [part for part in got.parts() if part["kind"] == "tool_call"]
    assert len({part["call_id"] for part in found}) == len(found)
    return [(part["name"], json.loads(part["text"] or "null")) for part in found]


WEATHER = [("weather", {"city": "Bonn"})]
HEAD = fragment(id="a", type="function", name="weather", arguments="")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [fragment(id="a", arguments='{"city":'), fragment(name="weather", arguments='"Bonn"}')], id="late"
        ),
        pytest.param(
            [
                fragment(id="a", name=None, arguments='{"city":'),
                fragment(name="weather"),
                fragment(arguments='"Bonn"}'),
            ],
            id="late, alone",
        ),
        pytest.param(
            [fragment(id="a", name="", arguments=""), fragment(id="a", name="weather", arguments=BONN)],
            id="empty first",
        ),
        pytest.param([{"index": 0, "id": "a"}, fragment(name="weather", arguments=BONN)], id="only an id first"),
        pytest.param([fragment(id="a", arguments=BONN), fragment(name="weather")], id="last"),
        pytest.param(
            [fragment(id="a", name=""), fragment(name="wea"), fragment(name="ther"), fragment(arguments=BONN)],
            id="pieces",
        ),
        pytest.param(
            [fragment(id="a", type="function", name=name) for name in ("", "wea", "ther")] + [fragment(arguments=BONN)],
            id="pieces with an id",
        ),
        pytest.param([fragment(name="wea", arguments=""), fragment(name="ther", arguments=BONN)], id="with arguments"),
        pytest.param([fragment(name="wea"), fragment(name="weather"), fragment(arguments=BONN)], id="so far"),
        pytest.param(
            [fragment(name="weather", arguments=piece) for piece in ("", '{"city"', ':"Bonn"}', "")], id="each"
        ),
        pytest.param(
            [fragment(id="a", type="function", name="weather", arguments=piece) for piece in ("", BONN, "")],
            id="each, with an id",
        ),
        pytest.param([{"index": 0, "id": "a", "name": "weather", "arguments": {"city": "Bonn"}}], id="no function"),
    ],
)
async def test_a_name_that_comes_late_in_pieces_or_often(read: Read, pieces: list[dict[str, Any]]) -> None:
    got = await read(*map(tool, pieces), FINISH)
    assert (calls(got), got.completed.finish_reason, got.raw()) == (WEATHER, "tool_calls", [])


@pytest.mark.parametrize("said", [b"", chunk({"content": "Hi"})])
async def test_a_call_without_a_name_is_none(read: Read, said: bytes) -> None:
    got = await read(said + tool(fragment(id="a", arguments='{"city":')) + tool(fragment(arguments='"Bonn"}')) + FINISH)
    assert (calls(got), got.completed.finish_reason, got.completed.raw_finish_reason) == ([], "other", "tool_calls")
    assert got.raw() == [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": BONN}}]}}]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [[fragment(name="weather", arguments=BONN)], [fragment(name="weather", arguments=ROME)]], id="whole"
        ),
        pytest.param(
            [[fragment(name="weather", arguments=BONN), fragment(name="weather", arguments=ROME)]], id="one chunk"
        ),
        pytest.param(
            [[fragment(None, name="weather", arguments=BONN)], [fragment(None, name="weather", arguments=ROME)]],
            id="no index",
        ),
        pytest.param(
            [[fragment(id="", type="function", name="weather", arguments=text)] for text in (BONN, ROME)], id="blank id"
        ),
        pytest.param(
            [[fragment(id="c", name="weather", arguments=text)] for text in (BONN, ROME)], id="one id for all"
        ),
        pytest.param(
            [[fragment(n, id="c", name="weather", arguments=(BONN, ROME)[n])] for n in (0, 1)], id="and indexes"
        ),
        pytest.param(
            [
                [fragment(name="weather", arguments="")],
                [fragment(arguments='{"city"')],
                [fragment(arguments=':"Bonn"}')],
                [fragment(name="weather", arguments="")],
                [fragment(arguments='{"city"')],
                [fragment(arguments=':"Rome"}')],
            ],
            id="fragments",
        ),
        pytest.param(
            [
                [fragment(0, "a", name="weather", arguments='{"city"')],
                [fragment(0, "b", name="weather", arguments='{"city"')],
                [fragment(0, "a", arguments=':"Bonn"}')],
                [fragment(0, "b", arguments=':"Rome"}')],
            ],
            id="beside each other",
        ),
    ],
)
async def test_calls_that_index_and_id_do_not_tell_apart(read: Read, pieces: list[list[dict[str, Any]]]) -> None:
    got = await read(*(tool(*entries) for entries in pieces), FINISH)
    assert calls(got) == [("weather", {"city": "Bonn"}), ("weather", {"city": "Rome"})]


async def test_calls_without_arguments_in_one_chunk(read: Read) -> None:
    got = await read(tool(fragment(name="now", arguments=""), fragment(name="here", arguments="")) + FINISH)
    assert calls(got) == [("now", None), ("here", None)]
    got = await read(tool(fragment(name="now", arguments="{}")), tool(fragment(name="here", arguments="{}")), FINISH)
    assert calls(got) == [("now", {}), ("here", {})]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [HEAD, fragment(arguments="{}"), fragment(arguments='{"city":"B'), fragment(arguments='onn"}')], id="{}"
        ),
        pytest.param([fragment(name="weather", arguments="{}"), fragment(arguments=BONN)], id="{} with the name"),
        pytest.param([fragment(name="weather", arguments={}), fragment(arguments={"city": "Bonn"})], id="objects"),
        pytest.param([HEAD, fragment(arguments="null"), fragment(arguments=BONN)], id="null"),
        pytest.param([HEAD, fragment(arguments='""'), fragment(arguments=BONN)], id="an empty text"),
        pytest.param([HEAD, fragment(arguments=" "), fragment(arguments="{}"), fragment(arguments=BONN)], id="blanks"),
        pytest.param([HEAD, fragment(arguments=BONN), fragment(arguments=BONN)], id="again"),
        pytest.param([HEAD, fragment(arguments=BONN), fragment(name="weather", arguments=BONN)], id="again, named"),
        pytest.param(
            [
                HEAD,
                fragment(arguments=BONN),
                fragment(name="weather"),
                fragment(arguments='{"city": "Bo'),
                fragment(arguments='nn"}'),
            ],
            id="again, in pieces and spaced",
        ),
        pytest.param([HEAD, fragment(arguments=BONN), fragment(arguments={"city": "Bonn"})], id="again, as an object"),
        pytest.param([HEAD, fragment(arguments=BONN), fragment(arguments="\n"), fragment(arguments="{}")], id="behind"),
        pytest.param([HEAD, fragment(arguments="{}" + BONN + BONN)], id="all in one"),
    ],
)
async def test_arguments_with_more_around_them(read: Read, pieces: list[dict[str, Any]]) -> None:
    assert calls(await read(*map(tool, pieces), FINISH)) == WEATHER
    assert calls(await read(*map(tool, pieces), chunk({}, "tool_calls"))) == WEATHER


@pytest.mark.parametrize(
    "pieces",
    [
        [
            fragment(0, "a", name="weather", arguments=""),
            fragment(0, "b", arguments='{"city"'),
            fragment(0, "b", arguments=':"Bonn"}'),
        ],
        [
            fragment(0, "a", name="weather", arguments=""),
            fragment(0, "b", name="", arguments='{"city"'),
            fragment(0, "c", arguments=':"Bonn"}'),
        ],
        [
            fragment(None, "a", name="weather", arguments=""),
            fragment(None, "b", arguments='{"city"'),
            fragment(None, "c", arguments=':"Bonn"}'),
        ],
        [fragment(0, "a", name="weather", arguments='{"city"'), fragment(0, "b", name="weather", arguments=':"Bonn"}')],
        [
            fragment(0, name="weather", arguments=""),
            fragment(0, "late", arguments='{"city"'),
            fragment(0, "late", arguments=':"Bonn"}'),
        ],
        [fragment(0, "", name="weather", arguments='{"city"'), fragment(0, "late", arguments=':"Bonn"}')],
        [
            fragment(0, "a", name="weather", arguments=""),
            fragment(1, arguments='{"city"'),
            fragment(2, arguments=':"Bonn"}'),
        ],
    ],
    ids=["other", "each", "no index", "each, with the name", "late", "later", "an index for each fragment"],
)
async def test_an_id_that_changes_or_comes_late(read: Read, pieces: list[dict[str, Any]]) -> None:
    assert calls(await read(*map(tool, pieces), FINISH)) == WEATHER


async def test_tool_calls_that_are_one_object_or_empty(read: Read) -> None:
    def one(**function: Any) -> bytes:
        return chunk({"tool_calls": {"index": 0, "id": "", "type": "function", "function": function}})

    got = await read(one(name="weather", arguments=""), one(name=None, arguments=BONN), chunk({}, "stop"), DONE)
    assert (calls(got), got.completed.finish_reason) == (WEATHER, "tool_calls")
    empty = {"content": "x", "tool_calls": {}, "function_call": ""}
    got = await read(chunk(empty) + chunk(empty | {"function_call": {}, "tool_calls": []}) + chunk({}, "stop") + DONE)
    assert (got.error, got.parts(), got.raw()) == (None, [{"kind": "text", "text": "xx"}], [])


async def test_fragments_are_not_held_back(read: Read) -> None:
    """What the usual endpoint sends is there with the chunk that says it."""
    parts = ChatParts()
    parts.calls.read([ToolCallDelta(index=0, id="a", function=Function(name="weather", arguments=""))], parts)
    assert parts.events == []
    assert parts.calls.held
    for text in ('{"', 'city":"', 'Bonn"', "}"):
        parts.events = []
        parts.calls.read([ToolCallDelta(index=0, function=Function(arguments=text))], parts)
        assert [event.delta for event in parts.events if isinstance(event, Delta)] == [text]
    # The second call's beginning shows that the first name is whole.
    parts.calls.read([ToolCallDelta(index=1, id="b", function=Function(name="time", arguments=""))], parts)
    parts.calls.read([ToolCallDelta(index=2, id="c", function=Function(name="now", arguments=""))], parts)
    assert [event.name for event in parts.events if isinstance(event, Part)] == ["time"]


async def test_a_repetition_that_was_cut_is_none(read: Read) -> None:
    got = await read(tool(HEAD) + tool(fragment(arguments=BONN)) + tool(fragment(arguments=BONN[:5])) + FINISH)
    assert calls(got) == WEATHER


async def test_a_second_call_that_was_cut_is_no_answer(read: Read) -> None:
    pieces = tool(fragment(name="weather", arguments=BONN)) + tool(fragment(name="weather", arguments='{"city":"R'))
    got = await read(pieces + chunk({}, "tool_calls"))
    assert got.failure.code == "incomplete_stream"
    assert [part["text"] for part in got.parts()] == [BONN, '{"city":"R']


async def test_what_is_held_takes_a_finish_reason_back(read: Read) -> None:
    """A name may be stamped with a finish reason, as every chunk is; then a broken connection proves nothing."""
    got = await read(chunk({"tool_calls": [HEAD]}, "tool_calls"), end="abort")
    assert got.failure.code == "connection"


def test_a_call_that_a_whole_message_adds_or_completes() -> None:
    parts, calls = ChatParts(), Calls()
    calls.read([ToolCallDelta(index=0, id="a", function=Function(name="weather", arguments='{"city"'))], parts)
    whole = [
        ToolCallDelta(id="a", function=Function(name="weather", arguments=BONN)),
        ToolCallDelta(id="b", function=Function(name="weather", arguments={"city": "Rome"})),
    ]
    for _ in range(2):
        calls.reconcile(whole, parts)
    calls.settle(parts)
    calls.end(parts)
    assert "".join(event.delta for event in parts.events if isinstance(event, Delta)) == BONN + '{"city": "Rome"}'
    assert (calls.any, calls.called, calls.are_whole) == (True, True, True)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(
            [fragment(0, "a", name="weather", arguments=BONN), fragment(0, "b", name="time", arguments=ROME)], id="zero"
        ),
        pytest.param(
            [fragment(None, "a", name="weather", arguments=BONN), fragment(None, "b", name="time", arguments=ROME)],
            id="none",
        ),
    ],
)
async def test_all_calls_once_more_with_other_indexes(read: Read, last: list[dict[str, Any]]) -> None:
    first = [
        tool(fragment(0, "a", name="weather", arguments=BONN)),
        tool(fragment(1, "b", name="time", arguments=ROME)),
    ]
    assert calls(await read(*first, tool(*last), FINISH)) == [("weather", {"city": "Bonn"}), ("time", {"city": "Rome"})]


@pytest.mark.parametrize("whole", [False, True])
async def test_a_call_under_its_old_name_too(read: Read, whole: bool) -> None:
    both = {
        "tool_calls": [fragment(0, "a", name="weather", arguments=BONN)],
        "function_call": {"name": "weather", "arguments": BONN},
    }
    choice = {"index": 0, "message" if whole else "delta": both, "finish_reason": None}
    assert calls(await read(chunk(choices=[choice]), FINISH)) == WEATHER
    pieces = [
        {"tool_calls": [fragment(0, arguments=piece)], "function_call": {"arguments": piece}}
        for piece in (BONN[:5], BONN[5:])
    ]
    head = chunk({"tool_calls": [HEAD], "function_call": {"name": "weather", "arguments": ""}})
    assert calls(await read(head, *map(chunk, pieces), FINISH)) == WEATHER


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, "a"), (0, "b")), ((None, "a"), (None, "b")), ((0, None), (1, None)), ((0, "a"), (1, "a"))],
)
@pytest.mark.parametrize("fragments", [False, True])
async def test_two_equal_calls_are_two(
    read: Read, first: tuple[int | None, str | None], second: tuple[int | None, str | None], fragments: bool
) -> None:
    def said(index: int | None, call_id: str | None) -> list[bytes]:
        if not fragments:
            return [tool(fragment(index, call_id, name="weather", arguments=BONN))]
        head = tool(fragment(index, call_id, name="weather", arguments=""))
        return [head, *(tool(fragment(index, arguments=BONN[place : place + 4])) for place in range(0, len(BONN), 4))]

    assert calls(await read(*said(*first), *said(*second), FINISH)) == WEATHER * 2


def test_fragments_with_an_index_that_counts_up_are_said_as_they_come() -> None:
    read, log = Calls(), ChatParts()
    read.read([ToolCallDelta(0, "a", function=Function("weather", '{"city":'))], log)
    for place, piece in enumerate(('"Bo', "nn", '"}'), 1):
        before = len(log.events)
        read.read([ToolCallDelta(place, function=Function(None, piece))], log)
        assert log.events[before:] == [Delta(part=0, kind="tool_call", delta=piece)]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("counts", ["id", "index"])
async def test_values_within_arguments_begin_no_call(read: Read, counts: str, named: bool) -> None:
    said = ['{"a":', '{"b":[1,', '{"c":"}"}', "]}", ',"d":"x', '\\"', '[y]"}']
    function: dict[str, Any] = {"name": "weather"} if named and counts == "id" else {}
    pieces = [tool(fragment(0, "a", name="weather", arguments=said[0]))]
    for place, piece in enumerate(said[1:], 1):
        index, call_id = (place, None) if counts == "index" else (0, f"a{place}")
        pieces.append(tool(fragment(index, call_id, arguments=piece, **function)))
    assert calls(await read(*pieces, FINISH)) == [("weather", json.loads("".join(said)))]
