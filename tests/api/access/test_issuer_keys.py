"""The issuer's keys: fetched once for all who need them, kept, and never a way to make us ask without end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from api.access import issuer_keys
from api.access.issuer_keys import MAX_BYTES, MAX_KEYS, IssuerKeys, read_keys
from api.problems.problem import ProblemError
from tests.api.access.issuer import ec_key, issuing, public, rsa_key

RSA = public(rsa_key("a"), "a")
EC = public(ec_key("b"), "b")


def ids(keys: Any) -> list[str | None]:
    return [key.id for key in keys]


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_keys_of_two_kinds_are_read() -> None:
    assert [(key.id, key.algorithm) for key in read_keys(jwks(RSA, EC))] == [("a", "RS256"), ("b", "ES256")]


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        public(rsa_key("short", 1024), "short"),
        public(ec_key("long", "P-384"), "long"),
        RSA | {"use": "enc"},
        RSA | {"alg": "PS256"},
        RSA | {"alg": "HS256"},
        EC | {"alg": "ES384"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": ["RSA"]},
        {},
        "key",
        None,
        5,
    ],
)
def test_what_cannot_verify_what_we_take_is_passed_over(other: Any) -> None:
    assert ids(read_keys(jwks(other, RSA))) == ["a"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [5]}', b"[" * 100_000, b"\xff"]
)
async def test_what_is_no_set_of_keys_is_no_fetch(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with issuing() as issuer:
        issuer.body = body
        with pytest.raises(ProblemError, match="issuer_unavailable"):
            await IssuerKeys(issuer.url).named("RS256", "a")
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "`jwt_jwks_url` cannot be fetched" in line.getMessage()
    assert "<html>" not in line.getMessage()


def test_a_set_is_read_up_to_a_bound() -> None:
    assert len(read_keys(jwks(*[EC] * (MAX_KEYS + 1)))) == MAX_KEYS


async def test_however_many_ask_one_fetch_is_made() -> None:
    async with issuing(RSA, EC) as issuer:
        keys = IssuerKeys(issuer.url)
        issuer.slow_s = 0.1
        found = await asyncio.gather(*(keys.named("RS256", "a") for _ in range(50)))
        assert {one.id for some in found for one in some} == {"a"}
        assert ids(await keys.named("ES256", "b")) == ["b"]
        assert ids(await keys.named("ES256", None)) == ["b"]
        assert issuer.fetches == 1


async def test_a_storm_of_unknown_keys_asks_once() -> None:
    async with issuing(RSA) as issuer:
        keys = IssuerKeys(issuer.url)
        assert ids(await keys.named("RS256", "a")) == ["a"]
        for number in range(100):
            assert await keys.named("RS256", f"unknown-{number}") == []
        await asyncio.gather(*(keys.named("ES256", f"more-{number}") for number in range(100)))
        assert issuer.fetches == 2
        assert ids(await keys.named("RS256", "a")) == ["a"]


async def test_a_new_key_is_found_when_it_is_first_used_and_the_old_one_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with issuing(RSA) as issuer:
        keys = IssuerKeys(issuer.url)
        assert ids(await keys.named("RS256", "a")) == ["a"]
        issuer.keys = [public(rsa_key("c"), "c")]
        issuer.slow_s = 0.1
        # Those who come while it is asked wait for the same answer.
        found = await asyncio.gather(*(keys.named("RS256", "c") for _ in range(20)))
        assert all(ids(some) == ["c"] for some in found)
        assert issuer.fetches == 2
        assert await keys.named("RS256", "a") == []
        monkeypatch.setattr(issuer_keys, "UNKNOWN_S", 0.0)
        assert await keys.named("RS256", "a") == []
        assert issuer.fetches == 3


async def test_kept_keys_are_fetched_again_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with issuing(RSA) as issuer:
        keys = IssuerKeys(issuer.url)
        await keys.named("RS256", "a")
        issuer.keys = [EC]
        assert ids(await keys.named("RS256", "a")) == ["a"]
        assert issuer.fetches == 1
        monkeypatch.setattr(issuer_keys, "KEPT_S", 0.0)
        monkeypatch.setattr(issuer_keys, "UNKNOWN_S", 0.0)
        assert await keys.named("RS256", "a") == [], "a key that was withdrawn is taken for no longer than that"


async def test_an_issuer_that_is_away_leaves_us_its_keys_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async with issuing(RSA) as issuer:
        keys = IssuerKeys(issuer.url)
        await keys.named("RS256", "a")
        await issuer.stop()
        monkeypatch.setattr(issuer_keys, "KEPT_S", 0.0)
        for _ in range(3):
            assert ids(await keys.named("RS256", "a")) == ["a"]
        assert await keys.named("RS256", "unknown") == []
        monkeypatch.setattr(issuer_keys, "STALE_S", 0.0)
        with pytest.raises(ProblemError, match="issuer_unavailable"):
            await keys.named("RS256", "a")


async def test_an_issuer_that_never_answered_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    async with issuing(RSA) as issuer:
        keys = IssuerKeys(issuer.url)
        issuer.status = 500
        with pytest.raises(ProblemError) as refused:
            await keys.named("RS256", "a")
        assert (refused.value.status, refused.value.code) == (503, "issuer_unavailable")
        assert refused.value.headers == {"Retry-After": "2"}
        for _ in range(20):
            with pytest.raises(ProblemError):
                await keys.named("RS256", "a")
        assert issuer.fetches == 1
        issuer.status = 200
        async with asyncio.timeout(20):
            while issuer.fetches == 1:
                try:
                    assert ids(await keys.named("RS256", "a")) == ["a"]
                except ProblemError:
                    await asyncio.sleep(0.1)


async def test_a_slow_issuer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_TIMEOUT_S", 0.2)
    async with issuing(RSA) as issuer:
        issuer.slow_s = 60
        with pytest.raises(ProblemError):
            await IssuerKeys(issuer.url).named("RS256", "a")


async def test_a_huge_answer_is_not_read() -> None:
    async with issuing(RSA) as issuer:
        issuer.body = jwks(RSA)[:-1] + b" " * (MAX_BYTES * 20) + b"}"
        with pytest.raises(ProblemError):
            await IssuerKeys(issuer.url).named("RS256", "a")


async def test_no_redirect_is_followed() -> None:
    async with issuing(RSA) as issuer, issuing(RSA) as other:
        issuer.status, issuer.headers = 302, f"Location: {other.url}\r\n"
        with pytest.raises(ProblemError):
            await IssuerKeys(issuer.url).named("RS256", "a")
        assert other.fetches == 0
