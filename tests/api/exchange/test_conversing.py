"""Conversations as they stand, where more happens meanwhile. The routes' own tests are beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.exchange import conversing, waiting
from api.exchange.conversing import listed, shown, state_of
from api.services import ApiServices
from shared.conversations.conversations import Conversations
from tests.api.harness import BODY, Api, Producer

ASKED: dict[str, Any] = BODY | {"conversation": "chat"}


def services(api: Api) -> ApiServices:
    found: ApiServices = api.app.state.services
    return found


async def page(api: Api) -> Any:
    use = services(api)
    return json.loads(await shown(use, await use.conversation("chat", "local"), None, 20))


async def test_one_that_ends_while_it_is_read_is_told_with_its_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = await Producer.start(api.log, await api.post(ASKED))
    await producer.say("so far")
    said_so_far = waiting.said_so_far

    async def then_it_ended(*arguments: Any) -> Any:
        await producer.complete()
        return await said_so_far(*arguments)

    monkeypatch.setattr(conversing, "said_so_far", then_it_ended)
    answer = await page(api)
    (told,) = answer["generations"]
    assert (told["state"], told["ended"] is not None) == ("completed", True)
    assert answer["cursor"] == f"{producer.generation_id.removeprefix('gen_')}.{told['last_event_id']}"


async def test_one_that_begins_while_others_are_read_is_behind_the_cursor(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = await Producer.start(api.log, await api.post(ASKED))
    await producer.say("so far")
    await producer.complete()
    said_so_far = waiting.said_so_far

    async def then_another_began(*arguments: Any) -> Any:
        await api.post(ASKED)
        return await said_so_far(*arguments)

    monkeypatch.setattr(conversing, "said_so_far", then_another_began)
    answer = await page(api)
    assert (len(answer["generations"]), answer["count"]) == (1, 1)
    assert answer["cursor"].startswith(producer.generation_id.removeprefix("gen_"))


async def test_the_states_of_many_are_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversing, "STATES_AT_ONCE", 2)
    ids = [await api.post(ASKED) for _ in range(5)]
    await (await Producer.start(api.log, ids[0])).fail()
    answer = await page(api)
    assert answer["cursor"] == f"{ids[1].removeprefix('gen_')}.0-0"
    use = services(api)
    assert await state_of(use, await use.conversation("chat", "local")) == "queued"


async def test_where_very_much_has_expired_a_page_is_short_and_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversing, "MAX_LOOKS", 2)
    monkeypatch.setattr(Conversations, "find_all", _all_gone)
    for n in range(5):
        await api.post(BODY | {"conversation": f"c-{n}"})
    first = await listed(services(api), "local", None, 1)
    assert first.data == []
    assert first.next is not None
    assert first.next.endswith("-c-1")


async def _all_gone(self: Conversations, owner: str, conversations: list[str]) -> list[None]:
    return [None for _ in conversations]


async def test_an_empty_one_is_shown(api: Api) -> None:
    generation_id = await api.post(ASKED)
    await api.client.delete(f"/v1/generations/{generation_id}")
    answer = await page(api)
    assert (answer["count"], answer["cursor"], answer["state"], answer["generations"]) == (0, None, None, [])
