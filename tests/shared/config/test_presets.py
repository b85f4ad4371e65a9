"""Endpoints by their variables, or by a preset's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.intake.model_names import ServedModels
from api.routes.models import listing
from shared.config.presets import PRESETS
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import load
from shared.errors import SettingsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_there_by_itself() -> None:
    assert load().endpoints() == {}


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if not preset.local])
def test_a_vendor_is_there_with_its_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "k-123")
    (endpoint,) = load().endpoints().values()
    assert (endpoint.api_key(), endpoint.base_url) == ("k-123", PRESETS[name].base_url)
    settings = load()
    models = listing(ServedModels.by(settings))
    assert [(provider.name, provider.protocol) for provider in models.providers] == [(name, "openai-chat")]
    (default,) = [model for model in models.data if model.default]
    assert default.id.startswith(f"{name}/")
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", "http://127.0.0.1:1/v1")
    assert load().endpoints()[name].base_url == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.local])
def test_a_server_of_ones_own_is_there_with_its_address(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "k-123")
    assert load().endpoints() == {}
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", "http://127.0.0.1:1/v1")
    (endpoint,) = load().endpoints().values()
    assert (endpoint.api_key(), endpoint.base_url) == ("k-123", "http://127.0.0.1:1/v1")
    monkeypatch.delenv(f"{name.upper()}_API_KEY")
    assert load().endpoints()[name].api_key_env is None


def test_an_entry_has_what_its_preset_has_and_says_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = """
        [providers.mine]
        preset = "mistral"
        api_key_env = "OF_THE_TEAM"
        seed_field = "seed"

        [providers.groq]
        preset = "vllm"
    """
    (folder / "midstream.toml").write_text(entries)
    monkeypatch.setenv("GROQ_API_KEY", "k-123")
    endpoints = load().endpoints()
    mine = endpoints["mine"]
    assert (mine.protocol, mine.base_url) == ("openai-chat", "https://api.mistral.ai/v1")
    assert (mine.api_key_env, mine.stream_options, mine.seed_field) == ("OF_THE_TEAM", False, "seed")
    assert endpoints["groq"].base_url == PRESETS["vllm"].base_url


def test_an_unknown_preset(folder: Path) -> None:
    (folder / "midstream.toml").write_text('[providers.mine]\npreset = "grok"\n')
    with pytest.raises(SettingsError, match="no preset 'grok'; there are groq, deepseek"):
        load()


@pytest.mark.parametrize("name", PRESETS)
def test_every_quirk_is_a_setting(name: str) -> None:
    endpoint = ProviderSettings.model_validate({"preset": name})
    for field, value in PRESETS[name].quirks.items():
        assert getattr(endpoint, field) == value != ProviderSettings.model_fields[field].default
