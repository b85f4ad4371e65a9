"""What a dialect knows of a generation beforehand, also of one that was asked for in another."""

from __future__ import annotations

import pytest

from api.dialects.names import Named
from api.exchange.telling import found, told_of
from api.problems.problem import ProblemError
from api.routes.chat_completions import DIALECT as CHAT
from api.routes.responses import DIALECT as RESPONSES
from tests.api.exchange import dialect_posts
from tests.api.harness import MODEL, Api, Producer


async def test_one_that_was_asked_for_in_another(api: Api, running: Producer) -> None:
    use = api.app.state.services
    body = dialect_posts.RESPONSES.body | {"background": True, "instructions": "Be brief."}
    response = (await api.client.post("/v1/responses", json=body)).json()
    record = await use.record(response["id"].replace("resp_", "gen_"), "local")
    own, other = await told_of(use, record, RESPONSES), await told_of(use, record, CHAT)
    assert own.subject.echo["instructions"] == "Be brief."
    assert (other.subject.echo, other.subject.model, other.subject.dialect) == ({}, "lorem", "openai-responses")
    native = await told_of(use, await use.record(running.generation_id, "local"), CHAT)
    assert (native.subject.model, native.subject.dialect) == (MODEL, "native")


def test_a_name_is_one_of_its_dialect() -> None:
    tail = "a" * 32
    assert found(f"chatcmpl-{tail}-2", CHAT) == Named(f"gen_{tail}", 2)
    for name in (f"resp_{tail}", tail, f"gen_{tail}", ""):
        with pytest.raises(ProblemError):
            found(name, CHAT)
