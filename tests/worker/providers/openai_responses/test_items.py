"""Which item an event is about, where ids and places are wrong."""

from __future__ import annotations

from shared.log.snapshots import PartSoFar
from worker.providers.openai_responses.items import Items, Wanted
from worker.providers.openai_responses.parts import Parts


def empty() -> Items:
    return Items(Parts("acme"))


def test_an_item_is_found_by_its_place_although_its_id_changes() -> None:
    items = empty()
    first = items.begin(0, "msg_1", "message")
    assert items.find(0, "msg_changed", "message") is first
    assert items.find(0, None, "message") is first
    assert items.finish(0, "msg_again", "message") is first
    assert items.find(1, "msg_2", "message") is not first


def test_an_item_is_found_by_its_id_although_its_place_changes() -> None:
    items = empty()
    first = items.begin(7, "rs_1", "reasoning")
    assert items.find(8, "rs_1", "reasoning") is first
    assert items.finish(8, "rs_1", "reasoning") is first
    first.finished = True
    second = items.begin(8, "msg_1", "message")
    assert items.find(8, "msg_1", "message") is second


def test_items_that_share_an_id_are_told_apart_by_their_places() -> None:
    items = empty()
    first, second = items.begin(0, "x", "message"), items.begin(1, "x", "message")
    assert first is not second
    assert [items.find(place, "x", "message") for place in (0, 1)] == [first, second]
    call = items.begin(2, "x", "function_call", "call_1")
    assert items.find(2, "x", "function_call") is call


def test_items_that_share_a_place_are_told_apart_by_their_ids() -> None:
    items = empty()
    first = items.begin(0, "msg_1", "message")
    second = items.begin(0, "msg_2", "message")
    assert first is not second
    assert [items.find(0, id, "message") for id in ("msg_1", "msg_2")] == [first, second]


def test_an_item_that_has_ended_has_no_more_pieces() -> None:
    items = empty()
    first = items.finish(0, "msg_1", "message")
    first.finished = True
    assert first.late
    assert items.find(0, "msg_2", "message") is not first
    assert items.begin(0, "msg_1", "message") is not first


def test_pieces_come_before_their_item() -> None:
    items = empty()
    first = items.find(0, "fc_1", "function_call")
    assert (first.known, items.begin(0, "fc_1", "mcp_call"), first.type) == (False, first, "mcp_call")
    nameless = items.find(None, None, "function_call")
    assert items.begin(None, "fc_2", "function_call") is nameless
    assert nameless.id == "fc_2"


def test_without_id_and_place_it_is_the_newest() -> None:
    items = empty()
    first, second = items.begin(None, None, "message"), items.begin(None, "fc_1", "function_call", "call_1")
    assert items.find(None, None, "message") is first
    assert items.find(None, None, "function_call", "call_1") is second
    # Another id is another call, and the same message.
    assert items.find(None, "fc_2", "function_call") is not second
    assert items.find(None, "msg_2", "message") is first


def test_a_call_is_found_by_its_call_id() -> None:
    items = empty()
    first = items.begin(None, None, "function_call", "call_1")
    first.call_id = "call_1"
    held = items.find(None, "fc_9", "function_call")
    assert held is first, "the call has had no id until then"
    assert items.finish(None, "fc_8", "function_call", "call_1") is first
    assert items.finish(0, "fc_7", "function_call", "call_2") is not first


def wanted(place: int, id: str | None, type: str = "message", call_id: str | None = None, text: str = "") -> Wanted:
    return Wanted(place, id, type, call_id, text)


def test_the_whole_response_has_each_item_once() -> None:
    items = empty()
    first, second = items.begin(1, "msg_1", "message"), items.begin(2, "msg_2", "message")
    assert items.match([wanted(0, "msg_2"), wanted(1, "other"), wanted(2, "msg_1"), wanted(3, "msg_4")]) == [
        second, None, first, None,
    ]  # fmt: skip
    assert items.match([wanted(0, "msg_1")]) == [None]
    assert items.add("msg_5", "message").late


def test_calls_that_differ_are_not_matched_by_order() -> None:
    items = empty()
    first = items.begin(0, "fc_1", "function_call", "call_1")
    first.call_id = "call_1"
    assert items.match([wanted(0, "fc_1", "function_call", "call_2")]) == [None]
    assert items.match([wanted(5, "fc_9", "function_call", "call_1")]) == [first]


def test_items_of_an_earlier_attempt() -> None:
    sofar = [
        PartSoFar(kind="text", item_id="msg_1", pieces=["a"]),
        PartSoFar(kind="tool_call", item_id="fc_1", call_id="call_1", name="rain", executor="client"),
        PartSoFar(kind="tool_call", item_id="ws_1", name="web_search", executor="provider"),
        PartSoFar(kind="text", item_id="msg_1", pieces=["b"]),
    ]
    items = Items(Parts("acme"), sofar)
    message = items.find(0, "msg_1", "message")
    assert (message.known, message.resumed, [said.text for said in message.parts]) == (True, True, ["a", "b"])
    assert items.begin(0, "msg_1", "message") is message
    call = items.find(1, "fc_1", "function_call")
    assert (call.type, call.call_id, call.name) == ("function_call", "call_1", "rain")
    assert items.find(2, "ws_1", "web_search_call").type == "web_search_call"
