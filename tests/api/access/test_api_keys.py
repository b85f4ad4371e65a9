"""Keys of the settings: each names an owner, who may ask and watch, and nothing withdraws it."""

from __future__ import annotations

import pytest

from api.access.api_keys import ApiKeys
from api.access.caller import USUAL, Caller
from shared.config.settings import Settings


@pytest.mark.parametrize(
    ("token", "owner"),
    [("secret-a", "ann"), ("secret-b", "bob"), ("SECRET-A", None), ("secret-", None), ("", None), ("\udcff", None)],
)
async def test_a_key_is_its_owners(token: str, owner: str | None) -> None:
    keys = ApiKeys(Settings(api_keys="ann:secret-a,bob:secret-b"))  # type: ignore[arg-type]
    assert await keys.holder(token) == (None if owner is None else Caller(owner, USUAL, ""))
    assert list(await keys.ended(["key:1"])) == []
