"""A cancel waits shortly for the end, and says how it stands; a deletion is the owner's alone."""

from __future__ import annotations

import dataclasses

import pytest

from api.exchange import ending
from api.problems.problem import ProblemError
from tests.api.harness import Api, Producer


async def test_a_cancel_says_how_it_stands(api: Api, running: Producer) -> None:
    use = dataclasses.replace(api.app.state.services, cancel_wait_s=0.05)
    assert await ending.cancel(use, running.generation_id, "local") == "running"
    await running.cancel()
    assert await ending.cancel(use, running.generation_id, "local") == "cancelled"


async def test_others_can_neither_cancel_nor_delete(api: Api, running: Producer) -> None:
    use = api.app.state.services
    for end in (ending.cancel, ending.delete):
        with pytest.raises(ProblemError) as caught:
            await end(use, running.generation_id, "eve")
        assert caught.value.status == 404
    await ending.delete(use, running.generation_id, "local")
    await ending.delete(use, running.generation_id, "local")
