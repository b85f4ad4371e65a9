"""Listing, showing, naming and deleting conversations."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis

from api.exchange import conversing
from api.schemas.conversation import ConversationList, ConversationPage
from shared.conversations import conversations as store
from shared.conversations.renewal import Renewal
from shared.record import Acceptance
from shared.storage.keys import DEADLINES_KEY, UNWATCHED_KEY, ConversationKeys, GenerationKeys
from tests.api.access.signed_in import ANN, BOB, bearer
from tests.api.harness import BODY, MODEL, Api, MakeApi, Producer, Viewing

NAME = "trip to Rome"
SYSTEM = {"role": "system", "content": "Be brief."}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def body(conversation: str = NAME, text: str = "Go.", *before: dict[str, Any]) -> dict[str, Any]:
    return BODY | {"messages": [*before, user(text)], "conversation": conversation}


def at(name: str) -> str:
    return f"/v1/conversations/{quote(name, safe='')}"


async def answered(api: Api, request: dict[str, Any], said: str = "Yes.", **headers: str) -> str:
    """The id of a generation that has ended."""
    producer = await Producer.start(api.log, await api.post(request, headers))
    await producer.say(said)
    await producer.complete()
    return producer.generation_id


async def get(api: Api, path: str, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    response = await api.client.get(path, headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    return response.json()


async def test_a_generation_says_its_conversation(api: Api) -> None:
    response = await api.client.post("/v1/generations", json=body())
    accepted = response.json()
    assert (accepted["conversation"], accepted["previous"]) == (NAME, None)
    snapshot = await get(api, f"/v1/generations/{accepted['id']}")
    (listed,) = (await get(api, "/v1/generations"))["data"]
    for answer in (snapshot, listed):
        assert (answer["conversation"], answer["previous"]) == (NAME, None)
    alone = await get(api, f"/v1/generations/{await api.post()}")
    assert alone["conversation"] is None


async def test_conversations_are_listed_newest_first(api: Api) -> None:
    await answered(api, body("one", "First?"))
    await answered(api, body("two", "Second?"))
    await api.post(body("one", "Third?"))
    page = await get(api, "/v1/conversations")
    assert [(c["id"], c["title"], c["state"]) for c in page["data"]] == [
        ("one", "First?", "queued"),
        ("two", "Second?", "completed"),
    ]
    assert ConversationList.model_validate(page).model_dump() == page
    assert page["next"] is None
    assert page["data"][0]["updated"] > page["data"][0]["created"]


async def test_the_list_is_paged(api: Api) -> None:
    for n in range(5):
        await api.post(body(f"c-{n}"))
    first = await get(api, "/v1/conversations?limit=2")
    await api.post(body("c-4"))  # as others go on meanwhile
    names = [c["id"] for c in first["data"]]
    while first["next"] is not None:
        first = (await api.client.get("/v1/conversations", params={"limit": 2, "before": first["next"]})).json()
        names += [c["id"] for c in first["data"]]
    assert names == ["c-4", "c-3", "c-2", "c-1", "c-0"]
    assert (await get(api, "/v1/conversations?before=x", 422))["errors"][0]["pointer"] == "before"


async def test_what_has_expired_leaves_the_list(api: Api, redis_url: str) -> None:
    for name in ("old", "new"):
        await api.post(body(name))
    with Redis.from_url(redis_url) as redis:
        redis.delete(ConversationKeys("local", "old").about)
    assert [c["id"] for c in (await get(api, "/v1/conversations?limit=1"))["data"]] == ["new"]
    assert [c["id"] for c in (await get(api, "/v1/conversations"))["data"]] == ["new"]
    assert await api.generations.conversations.index.page("local", before=None, limit=5) != []
    with Redis.from_url(redis_url) as redis:
        assert redis.zcard("midstream:conversations:local") == 1


async def test_a_conversation_is_shown_with_its_generations(api: Api) -> None:
    first = await answered(api, body(NAME, "Hello?", SYSTEM), "Hello!")
    before = (SYSTEM, user("Hello?"), {"role": "assistant", "content": "Hello!"})
    second = await answered(api, body(NAME, "Go on.", *before) | {"previous": first}, "On and on.")
    page = await get(api, at(NAME))
    assert ConversationPage.model_validate(page).model_dump(by_alias=True, exclude_unset=True) == page
    assert (page["id"], page["title"], page["state"], page["count"]) == (NAME, "Hello?", "completed", 2)
    newest, oldest = page["generations"]
    assert (newest["id"], newest["number"], newest["text"], newest["previous"]) == (second, 2, "On and on.", first)
    assert newest["input"] == [user("Go on.")]
    assert (oldest["id"], oldest["number"], oldest["input"]) == (first, 1, [user("Hello?")])
    snapshot = await get(api, f"/v1/generations/{second}")
    assert {name: value for name, value in newest.items() if name not in ("number", "input")} == snapshot
    assert page["cursor"] == f"{second.removeprefix('gen_')}.{newest['last_event_id']}"
    assert page["next"] is None


async def test_the_cursor_is_that_of_the_oldest_that_runs(api: Api) -> None:
    await answered(api, body())
    running = await Producer.start(api.log, await api.post(body()))
    await running.say("so far")
    await answered(api, body())
    page = await get(api, at(NAME))
    assert page["cursor"] == f"{running.generation_id.removeprefix('gen_')}.{running.last}"
    assert page["state"] == "completed"
    # Where it is on no page of these, all that it says is behind the cursor.
    page = await get(api, at(NAME) + "?limit=1")
    assert page["cursor"] == f"{running.generation_id.removeprefix('gen_')}.0-0"
    assert (await get(api, at(NAME) + f"?before={page['next']}"))["cursor"] is None


async def test_the_stream_goes_on_from_the_cursor(api: Api) -> None:
    await answered(api, body())
    running = await Producer.start(api.log, await api.post(body()))
    await running.say("so far")
    later = await api.post(body())
    cursor = (await get(api, at(NAME)))["cursor"]
    tail, next_tail = (generation_id.removeprefix("gen_") for generation_id in (running.generation_id, later))
    async with api.client.stream("GET", at(NAME) + "/events", params={"last_event_id": cursor}) as response:
        assert response.status_code == 200
        viewing = Viewing(response)
        await running.say("and on")
        await running.complete()
        told = await viewing.take(4 + 1)
    in_order = [(message.event, message.id) for message in told if message.id is not None]
    first, last = running.last, in_order[-1]
    assert [event for event, _ in in_order] == ["delta", "part_end", "completed", "generation"]
    assert in_order[2] == ("completed", f"{tail}.{first}")
    assert last == ("generation", f"{next_tail}.0-0")
    assert "reset" not in {message.event for message in told}


async def test_its_generations_are_paged(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await answered(api, body()) for _ in range(5)]
    seen: list[int] = []
    page = await get(api, at(NAME) + "?limit=2")
    while True:
        assert len(page["generations"]) <= 2
        seen += [each["number"] for each in page["generations"]]
        if page["next"] is None:
            break
        page = await get(api, at(NAME) + f"?limit=2&before={page['next']}")
    assert seen == [5, 4, 3, 2, 1]
    monkeypatch.setattr(conversing, "MAX_PAGE_BYTES", 10)
    page = await get(api, at(NAME))
    assert ([each["id"] for each in page["generations"]], page["next"], page["count"]) == ([ids[4]], 5, 5)


async def test_one_that_is_deleted_leaves_it(api: Api) -> None:
    ids = [await answered(api, body()) for _ in range(3)]
    await api.client.delete(f"/v1/generations/{ids[1]}")
    await api.client.delete(f"/v1/generations/{ids[2]}")
    page = await get(api, at(NAME))
    assert [(each["id"], each["number"]) for each in page["generations"]] == [(ids[0], 1)]
    assert page["count"] == 1
    await api.post(body())
    assert [each["number"] for each in (await get(api, at(NAME)))["generations"]] == [4, 1]
    (summary,) = (await get(api, "/v1/conversations"))["data"]
    assert summary["state"] == "queued"


async def test_an_expired_one_is_left_out(api: Api, redis_url: str) -> None:
    ids = [await answered(api, body()) for _ in range(2)]
    with Redis.from_url(redis_url) as redis:
        redis.delete(GenerationKeys(ids[1]).record, GenerationKeys(ids[1]).log)
    page = await get(api, at(NAME))
    assert [each["id"] for each in page["generations"]] == [ids[0]]
    assert (page["count"], page["state"]) == (1, "completed")
    (summary,) = (await get(api, "/v1/conversations"))["data"]
    assert summary["state"] == "completed"


async def test_a_title_is_given(api: Api) -> None:
    await answered(api, body())
    response = await api.client.patch(at(NAME), json={"title": "Three days"})
    assert (response.status_code, response.json()["title"]) == (200, "Three days")
    assert (await get(api, at(NAME)))["title"] == "Three days"
    await api.post(body(NAME, "Other."))
    (summary,) = (await get(api, "/v1/conversations"))["data"]
    assert summary["title"] == "Three days"


@pytest.mark.parametrize("title", [None, "", "x" * 201, "a\nb", 5])
async def test_a_title_that_is_none_is_refused(api: Api, title: object) -> None:
    await api.post(body())
    response = await api.client.patch(at(NAME), json={"title": title})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/title")
    assert (await get(api, at(NAME)))["title"] == "Go."


async def test_a_deleted_one_takes_all_with_it(api: Api) -> None:
    ids = [await answered(api, body()) for _ in range(3)]
    running = await Producer.start(api.log, await api.post(body()))
    await running.say("so far")
    async with api.view(running.generation_id) as viewing:
        await viewing.take(3)
        for _ in range(2):
            assert (await api.client.delete(at(NAME))).status_code == 204
        assert await viewing.rest() == []
    for generation_id in (*ids, running.generation_id):
        await get(api, f"/v1/generations/{generation_id}", 410)
    assert (await get(api, at(NAME), 410))["code"] == "gone"
    assert (await api.client.patch(at(NAME), json={"title": "x"})).status_code == 410
    assert (await get(api, "/v1/conversations"))["data"] == []
    anew = await api.post(body(NAME, "Again."))
    page = await get(api, at(NAME))
    assert (page["title"], [(each["id"], each["number"]) for each in page["generations"]]) == ("Again.", [(anew, 1)])


async def test_it_is_its_owners_alone(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=f"ann:{ANN},bob:{BOB}")
    await answered(api, body(), **bearer(ANN))
    unknown = await get(api, at("never"), 404, bearer(ANN))
    assert await get(api, at(NAME), 404, bearer(BOB)) == unknown
    assert (await api.client.patch(at(NAME), json={"title": "x"}, headers=bearer(BOB))).status_code == 404
    assert (await api.client.delete(at(NAME), headers=bearer(BOB))).status_code == 404
    assert (await get(api, "/v1/conversations", headers=bearer(BOB)))["data"] == []
    await answered(api, body(NAME, "Mine."), **bearer(BOB))
    assert (await get(api, at(NAME), headers=bearer(BOB)))["title"] == "Mine."
    assert (await get(api, at(NAME), headers=bearer(ANN)))["title"] == "Go."


@pytest.mark.parametrize("name", ["a/b", "a/events", "/", "100%", "%2F", "a?b#c", "…é", "a b", "a+b", "..a", "x" * 128])
async def test_any_name_has_an_address(api: Api, name: str) -> None:
    generation_id = await api.post(body(name))
    page = await get(api, at(name))
    assert (page["id"], page["generations"][0]["id"]) == (name, generation_id)
    assert (await api.client.patch(at(name), json={"title": "New"})).json()["id"] == name
    assert (await api.client.put(at(name))).headers["allow"] == "GET, HEAD, PATCH, DELETE"
    assert (await api.client.delete(at(name))).status_code == 204
    await get(api, at(name), 410)


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_no_address_can_hold_is_refused(api: Api, name: str) -> None:
    """A browser takes `%2e%2e` for `..` (WHATWG URL, double-dot path segment)."""
    response = await api.client.post("/v1/generations", json=body(name))
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/conversation")


@pytest.mark.parametrize("segment", ["%FF", "a%0Ab", "x" * 129])
async def test_what_can_be_no_name_is_unknown(api: Api, segment: str) -> None:
    await get(api, f"/v1/conversations/{segment}", 404)


async def test_a_full_one_takes_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_GENERATIONS", 2)
    for _ in range(2):
        await api.post(body())
    for _ in range(2):  # with the same key: nothing of the first is left
        response = await api.client.post("/v1/generations", json=body(), headers={"Idempotency-Key": "k"})
        assert (response.status_code, response.json()["code"]) == (409, "conversation_full")
    assert len((await get(api, "/v1/generations"))["data"]) == 2


async def test_what_a_full_one_refuses_leaves_no_times(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_GENERATIONS", 1)
    first = await api.post(body())
    times = {"deadline": 60, "on_unwatched": {"after": 30}}
    keyed = {"Idempotency-Key": "k"}
    refused = await api.client.post("/v1/generations", json=body() | times, headers=keyed)
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_full")
    # Else they would be those of the next request with this key, which goes on from an earlier time.
    assert await api.log.redis.zrange(DEADLINES_KEY, 0, -1) == []
    assert await api.log.redis.zrange(UNWATCHED_KEY, 0, -1) == []
    await api.client.delete(f"/v1/generations/{first}")
    assert (await api.client.post("/v1/generations", json=body() | times, headers=keyed)).status_code == 202


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_thousand_generations_are_as_many_as_it_has(api: Api) -> None:
    ids = [await api.generations.new_id("local", None) for _ in range(store.MAX_GENERATIONS)]
    for generation_id in ids:
        await api.generations.accept(
            Acceptance(
                id=generation_id, owner="local", model=MODEL, request=b'{"messages":[]}', on_interrupt="restart",
                ttl_ms=60_000, conversation=NAME,
            )
        )  # fmt: skip
    refused = await api.client.post("/v1/generations", json=body())
    assert (refused.status_code, refused.json()["code"]) == (409, "conversation_full")
    seen: list[str] = []
    following: int | None = None
    while following is not None or not seen:
        page = await get(api, at(NAME) + "?limit=100" + (f"&before={following}" if following else ""))
        assert page["count"] == store.MAX_GENERATIONS
        seen += [each["id"] for each in page["generations"]]
        following = page["next"]
    assert seen == ids[::-1]
    assert await Renewal(api.generations.conversations).renew("local", NAME) == 0
    assert (await api.client.delete(at(NAME))).status_code == 204
    assert await api.generations.states(ids) == [None] * store.MAX_GENERATIONS
    assert (await api.client.post("/v1/generations", json=body())).status_code == 202
