"""Grants of the keys in the settings: named so that nobody can guess the key, and gone with it."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.access.settings_grants import OPEN, SettingsGrants
from shared.config.settings import load
from tests.api.access.signed_in import ANN, API_KEYS, BOB


async def secret() -> bytes:
    return b"secret"


async def another() -> bytes:
    return b"another"


def asked(**headers: str) -> Request:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": fields})


async def test_a_key_has_one_name_in_both_headers() -> None:
    grants = SettingsGrants(load(api_keys=API_KEYS), secret)
    ann = await grants.of(asked(authorization=f"Bearer {ANN}"))
    assert ann == await grants.of(asked(x_api_key=ANN))
    assert ann != await grants.of(asked(x_api_key=BOB))
    assert ANN not in ann
    assert ann != await SettingsGrants(load(api_keys=API_KEYS), another).of(asked(x_api_key=ANN))


@pytest.mark.parametrize(
    ("keys", "ended"),
    [
        (API_KEYS, set()),
        (f"ann:{ANN}", {"bob"}),
        (f"ann:{BOB},bob:{ANN}", {"ann", "bob"}),
        ("", {"ann", "bob"}),
    ],
)
async def test_it_ends_where_the_key_is_its_owners_no_more(keys: str, ended: set[str]) -> None:
    before = SettingsGrants(load(api_keys=API_KEYS), secret)
    named = {"ann": await before.of(asked(x_api_key=ANN)), "bob": await before.of(asked(x_api_key=BOB))}
    now = SettingsGrants(load(api_keys=keys), secret)
    assert set(await now.ended([*named.values(), "key:x"])) == {named[name] for name in ended}
    assert set(await now.ended([OPEN])) == (set() if keys == "" else {OPEN})


async def test_without_keys_everybody_has_one_grant() -> None:
    grants = SettingsGrants(load(), secret)
    assert await grants.of(asked()) == await grants.of(asked(authorization="Bearer x")) == OPEN
    assert set(await grants.ended([OPEN])) == set()
