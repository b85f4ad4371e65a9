"""A request of Responses that names its conversation goes on from the newest answer of that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.dialects.dialect_request import DialectRequest
from api.dialects.names import name_of
from api.exchange import newest_answer
from api.exchange.newest_answer import going_on
from tests.api.exchange.dialect_posts import CHAT, MESSAGES, RESPONSES, Spoken
from tests.api.harness import BODY, Api, Producer

CHAT_NAMED: dict[str, Any] = {"conversation": "chat"}


async def posted(api: Api, spoken: Spoken = RESPONSES, headers: dict[str, str] | None = None, **fields: Any) -> str:
    """The id of a generation that was asked for in a dialect."""
    body = spoken.body | {"stream": True} | fields
    async with api.client.stream("POST", spoken.path, json=body, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        generation_id: str = response.headers["midstream-generation"]
        return generation_id


async def ended(api: Api, *arguments: Any, how: str = "complete", **fields: Any) -> str:
    producer = await Producer.start(api.log, await posted(api, *arguments, **fields))
    await producer.say("Yes.")
    await getattr(producer, how)()
    return producer.generation_id


async def before(api: Api, generation_id: str) -> str | None:
    """What a generation goes on from: its worker reads it, too."""
    record = (await api.generations.find(generation_id)).record
    assert record is not None
    asked = json.loads(await api.generations.request(generation_id)).get("previous")
    assert asked == record.previous
    found: str | None = asked
    return found


@pytest.mark.parametrize("named", ["chat", {"id": "chat"}])
async def test_it_goes_on_from_the_newest_that_has_ended(api: Api, named: object) -> None:
    first = await ended(api, conversation=named)
    assert await before(api, first) is None
    second = await ended(api, conversation=named, how="cancel")
    assert await before(api, second) == first
    await ended(api, conversation=named, how="fail")
    await ended(api, conversation=named, store=False)
    running = await posted(api, conversation=named)
    assert await before(api, running) == second
    response = (await api.client.get(f"/v1/responses/{name_of('resp_', second)}")).json()
    assert (response["conversation"], response["previous_response_id"]) == ({"id": "chat"}, None)


async def test_what_another_dialect_asked_is_gone_on_from(api: Api) -> None:
    native = await Producer.start(api.log, await api.post(BODY | CHAT_NAMED))
    await native.say("Yes.")
    await native.complete()
    assert await before(api, await posted(api, conversation="chat")) == native.generation_id


async def test_a_response_that_is_named_wins(api: Api) -> None:
    first = await ended(api)
    await ended(api, conversation="chat")
    named = name_of("resp_", first)
    third = await posted(api, conversation="chat", previous_response_id=named)
    assert await before(api, third) == first
    assert [place.id for place in await api.generations.conversations.generations("local", "chat")][1:] == [third]


async def test_the_same_again_goes_on_from_the_same(api: Api) -> None:
    key = {"Idempotency-Key": "k"}
    first = await ended(api, conversation="chat")
    second = await ended(api, headers=key, conversation="chat")
    assert await posted(api, headers=key, conversation="chat") == second
    assert await before(api, second) == first
    # And what was the first of its conversation stays that.
    begun = await ended(api, headers={"Idempotency-Key": "new"}, conversation="another")
    assert await posted(api, headers={"Idempotency-Key": "new"}, conversation="another") == begun


async def test_what_is_too_long_to_go_on_from_is_said_of_the_conversation(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(api, conversation="chat")
    monkeypatch.setattr("shared.generations.ancestry.MAX_ANCESTORS", 0)
    response = await api.client.post(RESPONSES.path, json=RESPONSES.body | CHAT_NAMED)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "conversation")


async def test_very_many_that_failed_are_passed_over(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_answer, "LOOKED_AT", 2)
    first = await ended(api, conversation="chat")
    for _ in range(3):
        await ended(api, conversation="chat", how="fail")
    assert await before(api, await posted(api, conversation="chat")) == first


@pytest.mark.parametrize("spoken", [CHAT, MESSAGES], ids=lambda spoken: spoken.prefix)
async def test_in_other_dialects_the_messages_say_all_before(api: Api, spoken: Spoken) -> None:
    await ended(api, spoken, **CHAT_NAMED)
    second = await posted(api, spoken, **CHAT_NAMED)
    assert await before(api, second) is None
    assert len(await api.generations.conversations.generations("local", "chat")) == 2


def test_a_mistake_before_it_is_said_of_its_conversation() -> None:
    request = going_on(DialectRequest({"messages": []}, pointer=lambda native: "own" + native), "gen_x")
    assert request.native == {"messages": [], "previous": "gen_x"}
    assert (request.pointer("/previous"), request.pointer("/messages")) == ("/conversation", "own/messages")
