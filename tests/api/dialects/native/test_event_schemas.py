"""The schemas of events: one for each, every field with what it is for, and only what is always written required.

tests/e2e/test_event_schemas.py holds real logs against them.
"""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest

from api.dialects.native.event_schemas import (
    BESIDE,
    CONVERSATION_CURSOR,
    CONVERSATION_ITEM,
    CONVERSATION_STREAM,
    EVENT_ID,
    ITEM,
    LOGGED,
    STREAM,
    TURNS,
    event_schemas,
    schema_name,
)
from api.viewing.conversation.cursor import ConversationCursor
from shared.log.events import (
    EVENT_TYPES,
    ORIGIN,
    AnyEvent,
    Attempt,
    Completed,
    Cost,
    Event,
    EventId,
    Spent,
    Usage,
    UsageReport,
    encode,
)
from tests.harness.json_schema import flaws

SCHEMAS = event_schemas()


def test_each_event_has_a_schema_and_is_an_item_of_the_stream() -> None:
    types = {one["properties"]["event"]["const"]: one for one in SCHEMAS[ITEM]["oneOf"]}
    assert types.keys() == EVENT_TYPES | {"queued", "reset", "viewers", "drain"}
    assert set(LOGGED) == set(get_args(AnyEvent))
    assert {schema_name(kind) for kind in (*LOGGED, *BESIDE)} < SCHEMAS.keys()
    for type, item in types.items():
        assert ("id" in item["required"]) is (type in EVENT_TYPES)
    assert STREAM["schema"]["$ref"].endswith(ITEM)


def test_so_has_each_event_of_a_conversations_stream() -> None:
    types = {one["properties"]["event"]["const"]: one for one in SCHEMAS[CONVERSATION_ITEM]["oneOf"]}
    with_cursor = EVENT_TYPES | {"generation"}
    assert types.keys() == with_cursor | {"begun", "gone", "trimmed", "viewers", "queued", "reset", "drain"}
    assert {schema_name(kind) for kind in TURNS} < SCHEMAS.keys()
    for type, item in types.items():
        assert ("id" in item["required"]) is (type in with_cursor)
    assert CONVERSATION_STREAM["schema"]["$ref"].endswith(CONVERSATION_ITEM)
    cursors = [str(ConversationCursor("gen_" + "a" * 32, event_id)) for event_id in (ORIGIN, EventId(1795220010365, 4))]
    assert all(re.search(CONVERSATION_CURSOR, cursor) for cursor in cursors)
    assert not re.search(CONVERSATION_CURSOR, "1795220010365-4")


def test_every_field_says_what_it_is_for() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
        for field, told in schema.get("properties", {}).items():
            assert told["description"], (name, field)
            assert "default" not in told


def test_no_reference_leads_nowhere() -> None:
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(SCHEMAS)):
        assert name in SCHEMAS


@pytest.mark.parametrize(
    "event",
    [
        Attempt(number=1, reason="new", model="p/m", provider="p"),
        UsageReport(usage=Usage(1, 2, server_tool_calls={"web_search_requests": 1})),
        Completed(
            finish_reason="stop", usage=Usage(), cost=Cost("1", at_least=True), spent=[Spent("p/m", Usage(), attempt=1)]
        ),
    ],
)  # fmt: skip
def test_what_is_written_is_described_and_nothing_else_is(event: Event) -> None:
    schema = SCHEMAS[schema_name(type(event))]
    data: dict[str, Any] = json.loads(encode(event))
    assert list(flaws(data, schema, SCHEMAS)) == []
    for name in schema["required"]:
        lacking = {key: value for key, value in data.items() if key != name}
        assert list(flaws(lacking, schema, SCHEMAS)) == [f"/{name}: is missing"]
    assert list(flaws(data | {"odd": 1}, schema, SCHEMAS)) == ["/odd: is not described"]
    assert list(flaws(data | {"t": "1"}, schema, SCHEMAS)) == ["/t: is no integer"]


def test_an_event_id_is_a_pair_of_numbers() -> None:
    assert all(re.search(EVENT_ID, text) for text in ("1795220010365-0", "0-18446744073709551615"))
    assert not any(re.search(EVENT_ID, text) for text in ("1", "1-", "01-1", "1-1 ", "-1-1", "a-1"))
