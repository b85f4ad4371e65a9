"""Tokens of an identity provider, over HTTP: what is taken, and what everybody who would like in might try."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import jwt
import pytest

from tests.api.access.issuer import AUDIENCE, ISSUER, Issuer, claims, ec_key, issuing, pem, public, rsa_key, token
from tests.api.harness import Api, MakeApi, Producer, until

RSA, EC = rsa_key("a"), ec_key("b")


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing(public(RSA, "a"), public(EC, "b")) as running:
        yield running


@pytest.fixture
async def tokened(make_api: MakeApi, redis_url: str, issuer: Issuer) -> Api:
    """An API that takes the issuer's tokens, and one key."""
    return await make_api(redis_url, api_keys="ann:key.with.dots", **settings(issuer))


def settings(issuer: Issuer) -> dict[str, str]:
    return {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks_url": issuer.url}


async def answered(api: Api, token: str, header: str = "Authorization") -> httpx2.Response:
    value = f"Bearer {token}" if header == "Authorization" else token
    return await api.client.get("/v1/generations", headers={header: value})


@pytest.mark.parametrize(("key", "kid"), [(RSA, "a"), (EC, "b"), (RSA, None), (EC, None)])
async def test_a_token_names_its_owner(tokened: Api, key: Any, kid: str | None) -> None:
    good = {"Authorization": f"Bearer {token(key, kid)}"}
    generation_id = await tokened.post(headers=good)
    path = f"/v1/generations/{generation_id}"
    assert (await tokened.client.get(path, headers=good)).status_code == 200
    assert (await tokened.client.get(path, headers={"x-api-key": token(key, kid)})).status_code == 200
    # The same name is the same owner, by whatever credential.
    assert (await tokened.client.get(path, headers={"x-api-key": "key.with.dots"})).status_code == 200
    other = {"Authorization": f"Bearer {token(key, kid, sub='bob')}"}
    assert (await tokened.client.get(path, headers=other)).status_code == 404
    for address in ("/v1/status", "/v1/usage?owner=*"):
        assert (await tokened.client.get(address, headers=good)).status_code == 403


def unsigned(**header: Any) -> str:
    """A token whose header says that nothing is signed."""
    parts = [json.dumps({"typ": "JWT"} | header).encode(), json.dumps(claims()).encode(), b"x"]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_with_public_key(**header: Any) -> str:
    """HS256 with the issuer's public key, which everybody has, as its secret."""
    parts = [json.dumps({"typ": "JWT", "alg": "HS256"} | header).encode(), json.dumps(claims()).encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(pem(RSA), signed, hashlib.sha256)).rstrip(b"=")
    return (signed + b"." + mac).decode()


def changed(text: str) -> str:
    """The same signature under other claims."""
    head, _, tail = text.split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(sub="root")).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{tail}"


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    stranger = rsa_key("stranger")
    return {
        "none": unsigned(alg="none", kid="a"),
        "None": unsigned(alg="None", kid="a"),
        "no algorithm": unsigned(kid="a"),
        "HS256 with the public key": signed_with_public_key(kid="a"),
        "HS256 without kid": signed_with_public_key(),
        "another's key under this kid": token(stranger, "a"),
        "another's key without kid": token(stranger),
        "another's key under no known kid": token(stranger, "x"),
        "a key in its own header": jwt.encode(claims(), stranger, "RS256", {"kid": "a", "jwk": public(stranger, "a")}),
        "an address in its own header": jwt.encode(claims(), stranger, "RS256", {"jku": "https://evil.test/keys"}),
        "another algorithm of the same key": token(RSA, "a", algorithm="RS512"),
        "PSS": token(RSA, "a", algorithm="PS256"),
        "kid of the other key": token(RSA, "b"),
        "other claims": changed(token(RSA, "a")),
        "other issuer": token(RSA, "a", iss="https://evil.test/"),
        "no issuer": token(RSA, "a", iss=None),
        "issuer without its slash": token(RSA, "a", iss=ISSUER.rstrip("/")),
        "other audience": token(RSA, "a", aud="another"),
        "no audience": token(RSA, "a", aud=None),
        "expired": token(RSA, "a", exp=now - 60),
        "no expiry": token(RSA, "a", exp=None),
        "expiry as text": token(RSA, "a", exp=str(now + 300)),
        "expiry that is no number": token(RSA, "a", exp=True),
        "not yet": token(RSA, "a", nbf=now + 600),
        "issued in the future": token(RSA, "a", iat=now + 600),
        "no owner": token(RSA, "a", sub=None),
        "empty owner": token(RSA, "a", sub=""),
        "owner of all": token(RSA, "a", sub="*"),
        "owner with a line break": token(RSA, "a", sub="ann\n"),
        "owner that is long": token(RSA, "a", sub="a" * 201),
        "critical header": jwt.encode(claims(), RSA, "RS256", {"kid": "a", "crit": ["b65"], "b65": 1}),
        "two parts": ".".join(token(RSA, "a").split(".")[:2]),
        "four parts": token(RSA, "a") + ".x",
        "no signature": token(RSA, "a").rpartition(".")[0] + ".",
        "huge": token(RSA, "a", note="x" * 20_000),
        "dots": "..",
        "no base64": "a.b.c",
        "deep": base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode() + ".e30.e30",
    }


@pytest.mark.parametrize("name", bad_tokens())
async def test_what_is_wrong_is_refused_as_a_wrong_key_is(tokened: Api, name: str) -> None:
    wrong_key = await answered(tokened, "wrong")
    assert (await answered(tokened, token(RSA, "a"))).status_code == 200
    bad = bad_tokens()[name]
    for header in ("Authorization", "x-api-key"):
        refused = await answered(tokened, bad, header)
        assert refused.status_code == 401
        assert refused.json() == wrong_key.json(), "it says nothing of why"
        assert refused.headers["www-authenticate"] == wrong_key.headers["www-authenticate"]


async def test_an_audience_may_be_one_of_several_and_clocks_may_differ(tokened: Api) -> None:
    now = int(time.time())
    for more in ({"aud": ["other", AUDIENCE]}, {"iat": now + 10}, {"nbf": now + 10}, {"exp": now + 1.5}):
        assert (await answered(tokened, token(RSA, "a", **more))).status_code == 200, more


async def test_a_key_with_dots_is_still_a_key(tokened: Api, issuer: Issuer) -> None:
    assert (await answered(tokened, "key.with.dots")).status_code == 200
    assert issuer.fetches == 0


async def test_a_storm_of_unknown_keys_asks_the_issuer_once(tokened: Api, issuer: Issuer) -> None:
    assert (await answered(tokened, token(RSA, "a"))).status_code == 200
    answers = await asyncio.gather(*(answered(tokened, token(RSA, f"unknown-{number}")) for number in range(60)))
    assert {answer.status_code for answer in answers} == {401}
    assert issuer.fetches == 2
    newer = rsa_key("newer")
    issuer.keys = [public(newer, "newer")]
    assert (await answered(tokened, token(RSA, "a"))).status_code == 200, "it is kept"


async def test_a_key_that_the_issuer_changes_to_is_taken_at_once(tokened: Api, issuer: Issuer) -> None:
    assert (await answered(tokened, token(RSA, "a"))).status_code == 200
    issuer.keys = [public(rsa_key("newer"), "newer")]
    assert (await answered(tokened, token(rsa_key("newer"), "newer"))).status_code == 200


async def test_an_issuer_that_is_away_is_no_401(tokened: Api, issuer: Issuer) -> None:
    await issuer.stop()
    away = await answered(tokened, token(RSA, "a"))
    assert (away.status_code, away.json()["code"]) == (503, "issuer_unavailable")
    assert int(away.headers["retry-after"]) > 0
    # Who has a key has no need of the issuer; what cannot be a good token needs nobody to say so.
    assert (await answered(tokened, "key.with.dots")).status_code == 200
    assert (await answered(tokened, bad_tokens()["HS256 with the public key"])).status_code == 401


async def test_the_claim_and_its_prefix_are_the_operators_choice(
    make_api: MakeApi, redis_url: str, issuer: Issuer
) -> None:
    chosen = {"jwt_owner_claim": "https://app.test/tenant", "jwt_owner_prefix": "user:"}
    api = await make_api(redis_url, api_keys="ann:key-of-ann", **settings(issuer), **chosen)
    mine = {"Authorization": f"Bearer {token(RSA, 'a', **{'https://app.test/tenant': 'ann'})}"}
    generation_id = await api.post(headers=mine)
    record = await api.generations.find(generation_id)
    assert record.owner == "user:ann"
    key = {"x-api-key": "key-of-ann"}
    assert (await api.client.get(f"/v1/generations/{generation_id}", headers=key)).status_code == 404
    assert (await answered(api, token(RSA, "a"))).status_code == 401, "it has another claim"


async def test_a_stream_ends_with_its_token_and_goes_on_with_the_next(tokened: Api) -> None:
    short = token(RSA, "a", exp=int(time.time()) + 1)
    producer = await Producer.start(tokened.log, await tokened.post(headers={"Authorization": f"Bearer {short}"}))
    await producer.say("one ")
    async with tokened.view(producer.generation_id, Authorization=f"Bearer {short}") as viewing:
        seen = await viewing.take(3)
        with pytest.raises(httpx2.HTTPError):
            await viewing.rest()
    assert (await answered(tokened, short)).status_code == 401
    await producer.say("two ")
    await producer.complete()
    fresh = {"Authorization": f"Bearer {token(RSA, 'a')}"}
    async with tokened.view(producer.generation_id, seen[-1].id, **fresh) as viewing:
        assert [message.event for message in await viewing.rest()] == ["delta", "part_end", "completed"]
    await until(lambda: not tokened.hub.granted.grants, "nothing to be open")


async def test_nothing_of_a_token_is_logged(tokened: Api, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        await issuer.stop()
        sent = [token(RSA, "a"), *bad_tokens().values()]
        for one in sent:
            await answered(tokened, one)
    assert caplog.records
    for one in sent:
        for part in one.split("."):
            assert len(part) < 20 or part not in caplog.text
