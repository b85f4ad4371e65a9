"""What a request goes on from: found when it is accepted, or refused in words that say what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from api.dialects.dialect_request import DialectRequest
from api.dialects.names import PREFIXES, name_of
from api.exchange.previous import POINTER
from api.routes import chat_completions
from api.routes.chat_completions import DIALECT
from shared.config.protocols import Protocol
from shared.record import Acceptance, Asked, Chain
from shared.request.limits import MAX_MESSAGES
from tests.api.exchange.dialect_posts import CHAT, asking
from tests.api.harness import BODY, Api, MakeApi, Producer

UNKNOWN = "gen_" + "a" * 32


async def ended(api: Api, body: dict[str, Any] | None = None, said: str = "Hello") -> str:
    """A generation that has completed."""
    generation_id = await api.post(body)
    producer = await Producer.start(api.log, generation_id)
    await producer.say(said)
    await producer.complete()
    return generation_id


async def refused(api: Api, previous: str, **headers: str) -> tuple[int, str, str, str]:
    response = await api.client.post("/v1/generations", json=BODY | {"previous": previous}, headers=headers)
    problem = response.json()
    (error,) = problem["errors"]
    return response.status_code, problem["code"], error["pointer"], error["message"]


@pytest.mark.parametrize("prefix", PREFIXES.values())
async def test_it_is_named_in_any_dialect_and_kept_as_a_name(api: Api, prefix: str) -> None:
    first = await ended(api)
    second = await api.post(BODY | {"previous": name_of(prefix, first, 1 if prefix == "gen_" else 2)})
    found = await api.generations.find(second, request=True)
    stored = json.loads(found.request)
    assert (stored["previous"], len(stored["messages"])) == (first, 1)
    assert found.record is not None
    assert found.record.chain is not None
    assert (found.record.chain.messages, found.record.chain.depth, found.record.chain.nearest) == (2, 1, (first,))
    first_request = await api.generations.request(first)
    assert found.record.chain.size == len(first_request) + len(found.request)
    shown = (await api.client.get(f"/v1/generations/{second}")).json()
    assert shown["previous"] == first
    assert (await api.client.get(f"/v1/generations/{first}")).json()["previous"] is None


@pytest.mark.parametrize("name", ["gen_x", "x", UNKNOWN + "a", UNKNOWN.upper(), "conv_" + "a" * 32])
async def test_what_is_no_name_is_refused(api: Api, name: str) -> None:
    status, code, pointer, message = await refused(api, name)
    assert (status, code, pointer) == (422, "invalid_request", POINTER)
    assert "no generation's name" in message


async def test_what_is_unknown_and_what_is_anothers_look_alike(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys="ann:" + "k" * 20 + ",bob:" + "l" * 20)
    ann, bob = ({"Authorization": f"Bearer {letter * 20}"} for letter in "kl")
    first = (await api.client.post("/v1/generations", json=BODY, headers=ann)).json()["id"]
    producer = await Producer.start(api.log, first)
    await producer.complete()
    assert await refused(api, first, **bob) == await refused(api, UNKNOWN, **ann)
    assert (await refused(api, first, **bob))[:3] == (422, "previous_not_found", POINTER)
    going_on = await api.client.post("/v1/generations", json=BODY | {"previous": first}, headers=ann)
    assert going_on.status_code == 202


async def test_it_must_have_ended_and_not_have_failed(api: Api) -> None:
    first = await api.post()
    assert (await refused(api, first))[:3] == (409, "previous_not_ended", POINTER)
    producer = await Producer.start(api.log, first)
    await producer.say("Hello")
    assert (await refused(api, first))[:3] == (409, "previous_not_ended", POINTER)
    await producer.fail()
    assert (await refused(api, first))[:3] == (409, "previous_failed", POINTER)


async def test_a_cancelled_one_is_gone_on_from(api: Api) -> None:
    first = await api.post()
    producer = await Producer.start(api.log, first)
    await producer.say("Hello")
    await producer.cancel()
    await api.post(BODY | {"previous": first})


async def test_what_was_deleted_is_gone_and_which_is_said(api: Api) -> None:
    first = await ended(api)
    second = await ended(api, BODY | {"previous": first})
    assert (await api.client.delete(f"/v1/generations/{first}")).status_code == 204
    status, code, pointer, message = await refused(api, second)
    assert (status, code, pointer) == (409, "previous_gone", POINTER)
    assert first in message
    assert (await api.client.delete(f"/v1/generations/{second}")).status_code == 204
    status, code, pointer, message = await refused(api, second)
    assert (status, code, pointer) == (409, "previous_gone", POINTER)
    assert "gen_" not in message


async def test_what_was_not_to_be_stored_is_not_gone_on_from(api: Api) -> None:
    request, asked = b'{"model":"simulator/lorem"}', Asked("openai-responses", "m", {"store": False})
    await api.generations.accept(
        Acceptance(
            id=UNKNOWN, owner="local", model="simulator/lorem", request=request, asked=msgspec.json.encode(asked),
            on_interrupt="restart", ttl_ms=60_000, chain=Chain(1, 1),
        )
    )  # fmt: skip
    await (await Producer.start(api.log, UNKNOWN)).complete()
    assert (await refused(api, UNKNOWN))[:3] == (409, "previous_not_stored", POINTER)


async def test_all_together_is_as_long_as_a_body_may_be(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, max_body=2000)
    long = {"role": "user", "content": "x" * 800}
    first = await ended(api, BODY | {"messages": [long]})
    second = await ended(api, BODY | {"messages": [long], "previous": first})
    response = await api.client.post("/v1/generations", json=BODY | {"messages": [long], "previous": second})
    assert (response.status_code, response.json()["code"]) == (422, "previous_too_long")
    assert "2000 bytes" in response.json()["errors"][0]["message"]
    await api.post(BODY | {"previous": first})


async def test_a_repeated_post_is_answered_whatever_has_become_of_what_it_goes_on_from(api: Api) -> None:
    first = await ended(api)
    body, key = BODY | {"previous": first}, {"Idempotency-Key": "k"}
    second = await api.post(body, key)
    assert (await api.client.delete(f"/v1/generations/{first}")).status_code == 204
    again = await api.client.post("/v1/generations", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, second)
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.client.post("/v1/generations", json=BODY | {"previous": UNKNOWN}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    new = await api.client.post("/v1/generations", json=body, headers={"Idempotency-Key": "l"})
    assert (new.status_code, new.json()["code"]) == (409, "previous_gone")


async def test_a_name_in_another_dialect_is_the_same_request(api: Api) -> None:
    first, key = await ended(api), {"Idempotency-Key": "k"}
    ids = {await api.post(BODY | {"previous": name_of(prefix, first)}, key) for prefix in PREFIXES.values()}
    assert len(ids) == 1


async def test_what_is_asked_in_a_dialect_is_gone_on_from_natively(api: Api) -> None:
    async with asking(api, CHAT) as asked:
        producer = await Producer.start(api.log, asked.id)
        await producer.say("Hello")
        await producer.complete()
        await asked.rest()
    second = await api.post(BODY | {"previous": name_of("chatcmpl-", asked.id)})
    assert (await api.client.get(f"/v1/generations/{second}")).json()["previous"] == asked.id


async def test_a_dialect_names_its_own_field(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Responses has one; the fields of Chat have none."""

    def read(body: dict[str, Any], *, provider: str, protocol: Protocol) -> DialectRequest:
        previous = body.pop("previous_response_id", None)
        request = DIALECT.read(body, provider=provider, protocol=protocol)
        return replace(
            request,
            native=request.native | {"previous": previous},
            pointer=lambda pointer: "/previous_response_id" if pointer == "/previous" else request.pointer(pointer),
        )

    monkeypatch.setattr(chat_completions, "DIALECT", DIALECT._replace(read=read))
    running = await api.post()
    for named, status, code in (
        (name_of("resp_", UNKNOWN), 400, "previous_not_found"),
        ("resp_x", 400, "invalid_request"),
        (name_of("resp_", running), 409, "previous_not_ended"),
    ):
        response = await api.client.post(CHAT.path, json=CHAT.body | {"previous_response_id": named})
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (status, code, "previous_response_id")


PROVIDERS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")


class TestTools:
    async def posted(self, api: Api, *messages: dict[str, Any], model: str = "simulator/lorem") -> tuple[int, Any]:
        body = {"model": model, "messages": list(messages), "previous": await ended(api)}
        response = await api.client.post("/v1/generations", json=body)
        return response.status_code, [error["pointer"] for error in response.json().get("errors") or ()]

    @pytest.mark.parametrize("provider", PROVIDERS)
    async def test_a_result_may_be_of_a_call_in_what_comes_before(self, api: Api, provider: str) -> None:
        result = {"role": "tool", "tool_call_id": "of_the_answer_before", "content": "No."}
        assert await self.posted(api, result, model=f"{provider}/lorem") == (202, [])

    async def test_a_call_of_its_own_needs_a_result_of_its_own(self, api: Api) -> None:
        made = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        call = {"role": "assistant", "tool_calls": [made]}
        assert await self.posted(api, call, {"role": "user", "content": "?"}) == (422, ["/messages/0/tool_calls/0"])

    async def test_a_blank_message_may_follow_what_is_not_known_yet(self, api: Api) -> None:
        blank = {"role": "system", "content": "Be brief."}
        assert await self.posted(api, blank, model="simulator-anthropic/lorem") == (202, [])


async def test_many_messages_count(api: Api) -> None:
    many = [{"role": "user", "content": "?"}] * (MAX_MESSAGES // 2)
    first = await ended(api, BODY | {"messages": many})
    second = await ended(api, BODY | {"messages": many, "previous": first})
    assert (await refused(api, second))[:3] == (422, "previous_too_long", POINTER)
