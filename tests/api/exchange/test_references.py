"""Items of earlier responses that a request names alone: they are the owner's own, or stay named and are refused."""

from __future__ import annotations

from typing import Any

import pytest

from api.exchange import references
from api.problems.problem import ProblemError
from api.routes.chat_completions import DIALECT as CHAT
from api.routes.responses import DIALECT
from tests.api.exchange.dialect_posts import RESPONSES
from tests.api.harness import Api, Producer


async def answered(api: Api) -> dict[str, Any]:
    """A response that has ended."""
    queued = (await api.client.post(RESPONSES.path, json=RESPONSES.body | {"background": True})).json()
    producer = await Producer.start(api.log, queued["id"].replace("resp_", "gen_"))
    await producer.say("Hello")
    await producer.complete()
    found: dict[str, Any] = (await api.client.get(f"{RESPONSES.path}/{queued['id']}")).json()
    return found


async def test_a_named_item_is_what_it_was(api: Api) -> None:
    item = (await answered(api))["output"][0]
    named = {"type": "item_reference", "id": item["id"]}
    body = {"model": "lorem", "input": [named, {"role": "user", "content": "And?"}], "background": True}
    accepted = await api.client.post(RESPONSES.path, json=body)
    assert accepted.status_code == 200, accepted.text
    stored = (await api.generations.request(accepted.json()["id"].replace("resp_", "gen_"))).decode()
    assert "Hello" in stored


async def test_what_is_not_the_callers_stays_named(api: Api) -> None:
    use = api.app.state.services
    item = (await answered(api))["output"][0]
    body = {"input": [{"type": "item_reference", "id": item["id"]}]}
    assert await references.with_items(use, "eve", DIALECT, body) == body
    assert await references.with_items(use, "local", DIALECT, body) != body
    assert await references.with_items(use, "local", CHAT, body) is body
    unknown = await api.client.post(
        RESPONSES.path, json={"model": "lorem", "input": [{"type": "item_reference", "id": "msg_" + "a" * 32 + "_1_0"}]}
    )
    assert unknown.status_code == 400
    assert "item_reference" in unknown.text or "input" in unknown.text


async def test_too_many_are_refused_before_any_log_is_read(api: Api) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    ids = [f"msg_{a}{b}{'a' * 30}_1_0" for a in letters[:2] for b in letters][: references.MAX_REFERRED + 1]
    body = {"input": [{"type": "item_reference", "id": one} for one in ids]}
    with pytest.raises(ProblemError) as caught:
        await references.with_items(api.app.state.services, "local", DIALECT, body)
    assert caught.value.status == 422
