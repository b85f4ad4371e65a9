"""What an answer begins with before it says anything: put once it does, and bounded meanwhile."""

from __future__ import annotations

import pytest

from shared.log.events import Delta, Part, Raw, Response, decode
from shared.log.guarded_log import Claim, ClaimOutcome
from worker.running.provider_call import Begun
from worker.writing.writer import LogFullError, Writer


async def restored() -> bool:
    return True


def writer(max_log: int) -> Writer:
    claim = Claim(ClaimOutcome.CLAIMED, token=7, number=1, first=b"{}")
    return Writer("gen_x", claim, max_log=max_log, dirty=lambda _: None, restore=restored, stop=lambda _: None)


def test_what_begins_is_held_until_something_is_said() -> None:
    one = writer(10_000)
    begun = Begun(one)
    begun.put(Response(response_id="r"))
    begun.put(Part(part=0, kind="text"))
    begun.put(Raw(protocol="p", data=1))
    assert (begun.said, one.said_something, one.behind) == (False, False, 1)
    begun.put(Delta(part=0, kind="text", delta="x"))
    assert (begun.said, one.said_something) == (True, True)
    said = [decode(*event).type for event in list(one.events())[1:]]
    assert said == ["response", "part", "raw", "delta"]


def test_what_is_held_has_the_bound_of_the_log() -> None:
    begun = Begun(writer(10_000))
    begun.put(Part(part=0, kind="text"))
    for _ in range(9):
        begun.put(Raw(protocol="p", data="x" * 1000))
    with pytest.raises(LogFullError):
        begun.put(Raw(protocol="p", data="x" * 1000))
    assert not begun.said
