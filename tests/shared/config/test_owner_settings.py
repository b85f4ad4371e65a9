"""Limits of owners: the settings for all, and where one owner differs."""

from typing import Any

import pytest

from shared.config.settings import Settings, load


def test_an_owner_without_a_table_has_the_settings() -> None:
    limits = Settings(max_queued=7, cost_per_day=2.5).limits("acme")
    assert (limits.max_queued, limits.cost_per_day, limits.max_running, limits.weight, limits.models) == (
        7,
        2.5,
        None,
        1.0,
        None,
    )
    assert limits.extra


def test_a_table_of_its_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_MAX_QUEUED", "7")
    monkeypatch.setenv("MIDSTREAM_OWNERS__ACME__MAX_QUEUED", "9")
    monkeypatch.setenv("MIDSTREAM_OWNERS__ACME__WEIGHT", "2")
    monkeypatch.setenv("MIDSTREAM_OWNERS__ACME__MODELS", "simulator/lorem, groq/*")
    monkeypatch.setenv("MIDSTREAM_OWNERS__ACME__EXTRA", "false")
    settings = load()
    acme, other = settings.limits("acme"), settings.limits("other")
    assert (acme.max_queued, acme.weight, acme.models, acme.extra) == (9, 2.0, ("simulator/lorem", "groq/*"), False)
    assert (other.max_queued, other.weight, other.models, other.extra) == (7, 1.0, None, True)


@pytest.mark.parametrize(
    ("written", "many"),
    [
        ({}, False),
        ({"api_keys": "a:0123456789abcdef"}, False),
        ({"api_keys": "a:0123456789abcdef,a:fedcba9876543210"}, False),
        ({"api_keys": "a:0123456789abcdef,b:fedcba9876543210"}, True),
        ({"keys": "redis"}, True),
        ({"jwt_issuer": "https://id.test", "jwt_audience": "a", "jwt_jwks_url": "https://id.test/keys"}, True),
    ],
)
def test_more_than_one_owner_is_known(written: dict[str, Any], many: bool) -> None:
    assert load(**written).many_owners is many
