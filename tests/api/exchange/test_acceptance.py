"""A request is accepted once for each key, under the id that was made for it."""

from __future__ import annotations

import msgspec
import pytest

from api.exchange.acceptance import accept, check_key
from api.intake import request_body
from api.problems.problem import ProblemError
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
