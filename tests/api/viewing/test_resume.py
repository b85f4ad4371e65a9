"""Where a viewer begins, or why there is nothing for it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from api.viewing.looks import Looks
from api.viewing.resume import ResumePoint, admit, asked_cursor, read_cursor, refusal
from shared.generations.generations import Existence, Found
from shared.generations.watchable import Watchable
from shared.log.events import ORIGIN, EventId
from tests.api.viewing.stand_ins import log_with, record

SEAL = EventId(5, 9)


def request(query: str = "", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": named})


@pytest.mark.parametrize(
    ("asked", "cursor"),
    [
        (request(), ""),
        (request(last_event_id="1-2"), "1-2"),
        (request("last_event_id=3-4"), "3-4"),
        (request("lastEventId=3-4"), "3-4"),
        (request("Last-Event-ID=3-4"), "3-4"),
        (request("last_event_id=3-4", last_event_id="1-2"), "1-2"),
        (request("last_event_id=3-4", last_event_id=""), "3-4"),
        (request("last_event_id=&lastEventId=3-4"), "3-4"),
        (request("last_event=3-4"), ""),
    ],
)
def test_the_header_wins_unless_it_is_empty(asked: Request, cursor: str) -> None:
    assert asked_cursor(asked) == cursor


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", ResumePoint()),
        ("5-3", ResumePoint(EventId(5, 3))),
        ("five", ResumePoint(reset="malformed_cursor")),
        ("5", ResumePoint(reset="malformed_cursor")),
    ],
)
def test_what_is_no_cursor_starts_over(text: str, start: ResumePoint) -> None:
    assert read_cursor(text) == start


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Found(Existence.RECORD, "ann", record()), None),
        (Watchable(Existence.RECORD, "ann"), None),
        (Watchable(Existence.RECORD, "ben"), "not_found"),
        (Found(Existence.RECORD, "ben", record(owner="ben")), "not_found"),
        (Found(Existence.NOTHING), "not_found"),
        (Found(Existence.TOMBSTONE, "ann"), "gone"),
        (Found(Existence.TOMBSTONE, "ben"), "not_found"),
        (Found(Existence.UNREADABLE, "ann"), "unreadable"),
        (Found(Existence.UNREADABLE, "ben"), "not_found"),
    ],
)
def test_whose_it_is_stays_unsaid(found: Found | Watchable, why: str | None) -> None:
    assert refusal(found, "ann") == why


async def start(cursor: EventId, *, seal: EventId | None, holds: bool = True) -> ResumePoint | str:
    async def read(generation_id: str) -> Watchable:
        return Watchable(Existence.RECORD, "ann", seal)

    return await admit(log_with(holds=holds), Looks(read), "gen_a", "ann", ResumePoint(cursor))


async def test_a_growing_log_may_be_about_to_have_the_cursor() -> None:
    assert await start(EventId(7, 0), seal=None, holds=False) == ResumePoint(EventId(7, 0))


async def test_who_has_the_end_is_done() -> None:
    assert await start(SEAL, seal=SEAL) == "over"


async def test_a_sealed_log_goes_on_from_what_it_has_and_else_from_its_start() -> None:
    assert await start(EventId(5, 3), seal=SEAL) == ResumePoint(EventId(5, 3), sealed=True)
    assert await start(ORIGIN, seal=SEAL, holds=False) == ResumePoint(sealed=True)
    assert await start(EventId(4, 3), seal=SEAL, holds=False) == ResumePoint(reset="unknown_cursor", sealed=True)
