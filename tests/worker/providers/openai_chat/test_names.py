"""What a Chat answer is called: once, also where its tier comes late, and the tier that served it in the end."""

from __future__ import annotations

from typing import Any

from shared.log.events import Response
from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.openai_chat.test_reader import DONE, STOP, chunk
from worker.providers.openai_chat.names import MAX_NAME_CHARS


async def names(read: Read, *body: bytes) -> list[Response]:
    got = await read(b"".join(body))
    return [event for event in got.events if isinstance(event, Response)]


KNOWN = Response(response_id="chatcmpl-1", model="m")
SERVED = Response(response_id="chatcmpl-1", model="m", system_fingerprint="fp_1", service_tier="flex")


async def test_all_in_the_first_chunk(read: Read) -> None:
    fields = {"system_fingerprint": "fp_1", "service_tier": "flex"}
    assert await names(read, chunk({"content": "a"}, **fields), chunk({"content": "b"}, **fields), STOP) == [SERVED]


async def test_late_ones_come_in_a_further_event_that_has_all(read: Read) -> None:
    body = [
        chunk({"content": "a"}),
        chunk({"content": "b"}, system_fingerprint="fp_1"),
        chunk({}, "stop", system_fingerprint="fp_1", service_tier="flex"),
        DONE,
    ]
    fingerprint = Response(response_id="chatcmpl-1", model="m", system_fingerprint="fp_1")
    assert await names(read, *body) == [KNOWN, fingerprint, SERVED]


async def test_a_fingerprint_that_changes_counts_once_and_of_tiers_the_last(read: Read) -> None:
    body = [chunk({"content": "a"}, system_fingerprint=f"fp_{n}", service_tier=f"t{n}") for n in (1, 2, 3)]
    first = Response(response_id="chatcmpl-1", model="m", system_fingerprint="fp_1", service_tier="t1")
    last = Response(response_id="chatcmpl-1", model="m", system_fingerprint="fp_1", service_tier="t3")
    assert await names(read, *body, STOP) == [first, last]


async def test_what_is_no_name_is_none(read: Read) -> None:
    odd: dict[str, Any] = {"system_fingerprint": 7, "service_tier": "x" * (MAX_NAME_CHARS + 1)}
    assert await names(read, chunk({"content": "a"}, **odd), chunk({"content": "b"}, service_tier=""), STOP) == [KNOWN]
