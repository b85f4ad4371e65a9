"""Which model is asked where a request names none."""

from __future__ import annotations

import pytest

from api.intake.listed_models import keyed, listed_models, simulates
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings


def endpoint(api_key_env: str | None = None) -> ProviderSettings:
    return ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1", api_key_env=api_key_env)


@pytest.mark.parametrize(
    ("settings", "endpoints", "default"),
    [
        ({}, ["simulator"], "simulator/demo"),
        ({}, ["simulator", "openai"], "openai/gpt-5-mini"),
        ({}, ["acme"], None),
        ({}, [], None),
        ({"models": {"quick": "acme/a", "slow": "acme/b"}}, ["openai", "acme"], "acme/a"),
        ({"models": {"quick": "acme/a"}, "default_model": "quick"}, ["openai", "acme"], "acme/a"),
        ({"default_model": "acme/c"}, ["openai", "acme"], "acme/c"),
    ],
)
def test_the_default(settings: dict[str, object], endpoints: list[str], default: str | None) -> None:
    given = Settings.model_validate({"providers": {"acme": endpoint()}} | settings)
    listed = listed_models(given, {name: endpoint() for name in endpoints})
    assert listed.default == default
    assert default is None or default in listed.aliases


def test_a_key_anywhere_takes_the_simulator_out(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = {"simulator": endpoint(), "acme": endpoint("KEY_OF_ACME")}
    assert not keyed(endpoints)
    monkeypatch.setenv("KEY_OF_ACME", "k")
    assert keyed(endpoints)
    assert listed_models(Settings(), endpoints).default is None


@pytest.mark.parametrize(("name", "so"), [("simulator", True), ("simulator-anthropic/x", True), ("openai/x", False)])
def test_what_simulates(name: str, so: bool) -> None:
    assert simulates(name) is so
