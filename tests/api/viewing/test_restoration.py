"""What becomes of a log that a Redis which came back older has lost."""

from __future__ import annotations

import pytest

from api.viewing.known_log import KnownLog
from api.viewing.restoration import Loss, Restoration
from shared.durability import Durability
from shared.generations.generations import Existence, Found
from shared.log.entry import Entry
from shared.log.events import EventId
from tests.api.viewing.framers import numbered, raw
from tests.api.viewing.stand_ins import generations_with, log_with, record


def known(*ids: EventId) -> KnownLog:
    log = KnownLog()
    log.extend(numbered(*(raw(*event_id) for event_id in ids)))
    return log


def judging(found: Found, newest: EventId | None = None) -> Restoration:
    last = None if newest is None else Entry(newest, "delta", b"{}")
    return Restoration("gen_a", log_with(last=last), generations_with(found))


SEEN = (EventId(5, 0), EventId(5, 1), EventId(5, 2))


@pytest.mark.parametrize(
    ("found", "newest", "loss"),
    [
        (Found(Existence.RECORD, "ann", record()), EventId(5, 1), "restored"),
        (Found(Existence.RECORD, "ann", record()), None, "restored"),
        (Found(Existence.RECORD, "ann", record()), EventId(6, 0), "replaced"),
        (Found(Existence.RECORD, "ann", record(seal=EventId(5, 1))), EventId(5, 1), "replaced"),
        (Found(Existence.RECORD, "ann", record(seal=EventId(5, 1))), None, "final"),
        (Found(Existence.TOMBSTONE, "ann"), None, "final"),
    ],
)
async def test_who_will_write_it_again(found: Found, newest: EventId | None, loss: Loss) -> None:
    judge = judging(found, newest)
    assert await judge.judge(known(*SEEN)) is loss
    assert judge.look_again_after is None


async def test_what_is_forgotten_altogether_has_time() -> None:
    judge = judging(Found(Existence.NOTHING))
    assert await judge.judge(known(*SEEN)) == "restored"
    assert judge.look_again_after is not None
    judge._generations = generations_with(Found(Existence.NOTHING), Durability(15.0, sync_s=0.0))
    assert await judge.judge(known(*SEEN)) == "final"
    judge.stop()
    assert judge.look_again_after is None
