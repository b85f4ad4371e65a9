"""What a newer Midstream asked waits for a newer worker, and is not failed by this one."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import ValidationError

from shared.config.settings import Settings
from shared.request.request_json import read
from shared.storage.keys import GenerationKeys
from tests.worker.conftest import Eventually, Midstream, working
from worker.requests.newer_requests import NewerRequests

OURS = b'{"model":"p/m","messages":[{"role":"user","content":"hi"}],"extra":{"x":1},"deadline":5}'


def wrong_with(request: bytes) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        read(request)
    return raised.value


@pytest.mark.parametrize(
    "request_",
    [
        OURS[:-1] + b',"novelty":1}',
        OURS[:-1] + b',"novelty":"' + b"x" * 65_536 + b'"}',
        OURS.replace(b'"user"', b'"narrator"'),
        OURS.replace(b'"hi"', b'[{"type":"smell","smell":"rose"}]'),
        OURS[:-1] + b',"on_interrupt":"ponder"}',
    ],
)
def test_what_this_version_does_not_know_is_newer(request_: bytes) -> None:
    assert NewerRequests().has_asked(wrong_with(request_))


@pytest.mark.parametrize("request_", [b"{}", b"\x80garbage", b"[]", OURS.replace(b":5}", b":-5}")])
def test_what_is_damaged_is_not(request_: bytes) -> None:
    assert not NewerRequests().has_asked(wrong_with(request_))


def test_it_is_told_once_and_without_what_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    newer = NewerRequests()
    for _ in range(3):
        newer.has_asked(wrong_with(OURS[:-1] + b',"novelty":"secret"}'))
    assert [("novelty" in line, "secret" in line) for line in caplog.messages] == [(True, False)]


async def test_it_is_left_in_the_queue(
    settings: Settings, midstream: Midstream, redis: Any, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    generation_id = await midstream.ask("simulator/lorem?deltas=2&rate=0")
    key = GenerationKeys(generation_id).record
    request = await redis.hget(key, "request")
    assert isinstance(request, bytes)
    await redis.hset(key, "request", request[:-1] + b',"novelty":1}')
    async with working(settings):
        # A job that was only taken may not have been read yet.
        async def was_read() -> bool:
            return any("novelty" in line for line in caplog.messages)

        await eventually(was_read)
        assert await midstream.log.read(generation_id) == []
        # As another worker would find it, that knows the field.
        await redis.hset(key, "request", request)
        assert (await midstream.ended(generation_id))[-1].type == "completed"
