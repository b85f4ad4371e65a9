"""Who is let in: origins, proxies and the public address, as they may be written."""

from __future__ import annotations

from typing import Any

import pytest

from shared.config.settings import load
from shared.errors import SettingsError


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("", set()),
        (" ", set()),
        ("https://App.Example.com", {"https://app.example.com"}),
        ("https://a.test:443, http://b.test:80,http://c.test:8080", {"https://a.test", "http://b.test", "http://c.test:8080"}),
        ("http://[::1]:5173", {"http://[::1]:5173"}),
    ],
)  # fmt: skip
def test_origins_are_as_browsers_write_them(written: str, origins: set[str]) -> None:
    assert load(cors_origins=written).origins() == origins


@pytest.mark.parametrize(
    "written",
    ["*", "https://*.a.test", "null", "a.test", "https://a.test/", "ftp://a.test", "https://a.test,", "https://u@a.test"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match="--cors-origins: must hold origins"):
        load(cors_origins=written)


@pytest.mark.parametrize("url", ["a.test", "https://a.test/?x=1", "https://u:p@a.test", "/s"])
def test_a_public_address_is_one(url: str) -> None:
    with pytest.raises(SettingsError, match="--public-url"):
        load(public_url=url)


def test_a_public_address_has_no_slash_at_its_end() -> None:
    assert load(public_url="https://chat.example.com/").public_url == "https://chat.example.com"
    assert load(public_url="https://example.com/chat").public_url == "https://example.com/chat"
    assert load().public_url is None


@pytest.mark.parametrize("proxies", ["", "*", "10.0.0.1", "10.0.0.0/8, ::1", "127.0.0.1,::1"])
def test_proxies(proxies: str) -> None:
    assert load(trusted_proxies=proxies).trusted_proxies == proxies


@pytest.mark.parametrize("proxies", ["nginx", "10.0.0.1/8", "10.0.0.1,", "*,10.0.0.1", "300.0.0.1"])
def test_what_is_no_address_of_a_proxy_is_refused(proxies: str) -> None:
    with pytest.raises(SettingsError, match="--trusted-proxies"):
        load(trusted_proxies=proxies)


JWT: dict[str, Any] = {
    "jwt_issuer": "https://id.test/",
    "jwt_audience": "midstream",
    "jwt_jwks_url": "https://id.test/keys",
}


@pytest.mark.parametrize("missing", ["jwt_audience", "jwt_jwks_url"])
def test_an_issuer_alone_is_refused(missing: str) -> None:
    assert not load(**JWT).open_to_all
    with pytest.raises(SettingsError, match=rf"^MIDSTREAM_{missing.upper()}: must be set with `jwt_issuer`"):
        load(**{name: value for name, value in JWT.items() if name != missing})


@pytest.mark.parametrize("name", ["jwt_audience", "jwt_jwks_url"])
def test_what_is_for_tokens_alone_would_let_everybody_in(name: str) -> None:
    with pytest.raises(SettingsError, match=r"none is taken without `jwt_issuer`"):
        load(**{name: JWT[name]})


@pytest.mark.parametrize("url", ["https://id.test/keys", "https://id.test/keys?p=policy", "http://127.0.0.1:9/keys",
                                 "http://localhost/keys", "http://[::1]:9/keys"])  # fmt: skip
def test_keys_of_an_issuer_come_over_tls_or_from_this_machine(url: str) -> None:
    assert load(**JWT | {"jwt_jwks_url": url}).jwt_jwks_url == url


@pytest.mark.parametrize("url", ["http://id.test/keys", "http://10.0.0.1/keys", "http://localhost.test/keys", "id.test",
                                 "file:///keys", "https://u:p@id.test/keys"])  # fmt: skip
def test_keys_of_an_issuer_from_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^--jwt-jwks-url: "):
        load(**JWT | {"jwt_jwks_url": url})


@pytest.mark.parametrize(
    ("name", "value"),
    [("jwt_issuer", " x"), ("jwt_owner_claim", ""), ("jwt_owner_prefix", " x"), ("jwt_owner_prefix", "x" * 51)],
)
def test_names_of_tokens_can_be_printed(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name.replace("_", "-")):
        load(**JWT | {name: value})


@pytest.mark.parametrize(
    ("host", "refused"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("10.0.0.5", True)]
)
def test_short_keys_stay_on_this_machine(host: str, refused: bool) -> None:
    keys = "ann:0123456789abcdef,bob:0123456789abcde"
    if not refused:
        assert load(host=host, api_keys=keys).key_owners()
        return
    with pytest.raises(SettingsError, match=r"^--api-keys: the key of entry 2 is too short") as error:
        load(host=host, api_keys=keys)
    assert "0123456789" not in str(error.value)
    assert load(host=host, api_keys="ann:0123456789abcdef").host == host


def test_keys_of_redis_and_tokens_are_enough_beyond_loopback() -> None:
    assert load(host="0.0.0.0", keys="redis").host == "0.0.0.0"
    assert load(host="0.0.0.0", **JWT).host == "0.0.0.0"
    with pytest.raises(SettingsError):
        load(host="0.0.0.0")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{"sk-canary-0123456789": "acme"}', "is JSON"),
        (' ["acme:sk-canary-0123456789"]', "is JSON"),
        ('acme:0123456789abcdef, {"sk-canary-0123456789": "beta"}', "is JSON"),
        ('"sk-canary-0123456789":"acme"', "is JSON"),
        ("'acme:sk-canary-0123456789'", "in quotes"),
        ("sk-canary-0123456789:acme,sk-canary-abcdefghij:acme", "entries 1 and 2 have the same key"),
        ("sk-canary-0123456789:acme", "the key of entry 1 is too short"),
        ("*:sk-canary-0123456789", "must not be \\*"),
    ],
)
def test_keys_in_another_form_are_refused_without_showing_them(written: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        load(api_keys=written, host="0.0.0.0")
    assert "canary" not in str(refused.value)
