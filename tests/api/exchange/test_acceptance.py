"""A request is accepted once for each key, under the id that was made for it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from api.exchange.acceptance import accept, check_key
from api.intake import request_body
from api.problems.problem import ProblemError
from tests.api.exchange.dialect_posts import SPOKEN, Spoken, asking
from tests.api.harness import BODY, Api


async def test_it_has_the_id_that_was_made_for_it(api: Api) -> None:
    use = api.app.state.services
    taken = request_body.take(msgspec.json.encode(BODY), use.served, 1000)
    new_id = await use.generations.new_id("ann", None)
    accepted = await accept(use, "ann", taken, None, new_id)
    assert (accepted.id, accepted.created) == (new_id, True)
    assert (await use.generations.find(new_id)).owner == "ann"


async def test_a_key_finds_its_first_request(api: Api) -> None:
    use = api.app.state.services
    taken = request_body.take(msgspec.json.encode(BODY), use.served, 1000)
    first, second = [await accept(use, "ann", taken, "k") for _ in range(2)]
    assert first.id == second.id
    assert (first.created, second.created) == (True, False)


@pytest.mark.parametrize("key", ["", "é", "x" * 256, "a\n"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(ProblemError) as caught:
        check_key(key)
    assert caught.value.code == "invalid_idempotency_key"


@pytest.mark.parametrize("key", [None, "a", "x" * 255, "k 1"])
def test_others_are_not(key: str | None) -> None:
    check_key(key)


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_what_is_accepted_again_was_accepted_when_its_caller_was_told(api: Api, spoken: Spoken) -> None:
    """Redis came back without it; each event of a dialect says when that was, and must stay as it is."""
    async with asking(api, spoken) as asked:
        await asked.until(b"\n\n")
        before = await api.generations.find(asked.id)
        address = spoken.named(asked.id)
        shown = (await api.client.get(address)).json()
        await api.log.redis.flushall()
        async with asyncio.timeout(20):
            while (await api.client.get(address)).status_code != 200:
                await asyncio.sleep(0.05)
    again = await api.generations.find(asked.id)
    assert before.record is not None
    assert again.record is not None
    assert again.record.created_ms == before.record.created_ms
    assert (await api.client.get(address)).json() == shown
