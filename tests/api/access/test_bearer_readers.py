"""Which kinds of tokens are taken, by the settings; and what is said where a package is missing."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest

from api.access.api_keys import ApiKeys
from api.access.bearer_readers import bearer_readers
from api.access.json_web_tokens import JsonWebTokens
from api.access.stored_keys import StoredKeys
from shared.config.settings import load
from shared.errors import SettingsError

JWT: dict[str, Any] = {
    "jwt_issuer": "https://issuer.test",
    "jwt_audience": "a",
    "jwt_jwks_url": "https://issuer.test/keys",
}


def test_each_kind_has_a_reader() -> None:
    stored = StoredKeys(cast("object", None))  # type: ignore[arg-type]
    assert [type(reader) for reader in bearer_readers(load(), None)] == [ApiKeys]
    assert [type(reader) for reader in bearer_readers(load(keys="redis", **JWT), stored)] == [
        ApiKeys,
        StoredKeys,
        JsonWebTokens,
    ]


@pytest.mark.parametrize("missing", ["jwt", "cryptography.hazmat.primitives.asymmetric.rsa"])
def test_what_tokens_need_must_be_installed(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name in ("api.access.issuer_keys", "api.access.json_web_tokens"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("MIDSTREAM_JWT_ISSUER", JWT["jwt_issuer"])
    settings = load(jwt_audience="a", jwt_jwks_url=JWT["jwt_jwks_url"])
    with pytest.raises(SettingsError, match=r"^MIDSTREAM_JWT_ISSUER: needs the packages .* install `midstream\[jwt\]`"):
        bearer_readers(settings, None)
