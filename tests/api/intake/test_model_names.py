"""What a model's name stands for in each dialect, and what is said where it stands for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from api.intake.model_names import ServedModels, resolve_name
from api.problems.problem import ProblemError
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from shared.record import DialectName

SIMULATOR = "http://127.0.0.1:9"
VENDORS: tuple[tuple[DialectName, str], ...] = (
    ("openai-chat", "OPENAI_API_KEY"),
    ("openai-responses", "OPENAI_API_KEY"),
    ("anthropic", "ANTHROPIC_API_KEY"),
)


def entry(protocol: str = "openai-chat", **fields: Any) -> ProviderSettings:
    return ProviderSettings.model_validate({"protocol": protocol, "base_url": "http://127.0.0.1:9/v1", **fields})


def resolved(name: str, dialect: DialectName = "openai-chat", **settings: Any) -> str:
    return resolve_name(name, dialect, ServedModels.by(Settings(**settings))).name


def refused(name: str, dialect: DialectName = "openai-chat", **settings: Any) -> str:
    with pytest.raises(ProblemError) as caught:
        resolved(name, dialect, **settings)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert "rovider/model" in caught.value.detail
    return caught.value.detail


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        ("openai-chat", "openai/gpt-5"),
        ("openai-responses", "openai-responses/gpt-5"),
        ("anthropic", "anthropic/gpt-5"),
    ],
)
def test_a_bare_name_is_its_vendors(monkeypatch: pytest.MonkeyPatch, dialect: DialectName, name: str) -> None:
    for _, variable in VENDORS:
        monkeypatch.setenv(variable, "k")
    # The simulator, which speaks all protocols, does not count beside them.
    assert resolved("gpt-5", dialect, simulator_url=SIMULATOR) == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("quick", "acme/small"),
        ("a/b", "acme/aliased"),
        ("acme/gpt-5", "acme/gpt-5"),
        ("acme/meta-llama/Llama-3-70b", "acme/meta-llama/Llama-3-70b"),
        ("claude/opus", "claude/opus"),  # another provider than the dialect's
        ("meta-llama/Llama-3-70b", "acme/meta-llama/Llama-3-70b"),
        ("gpt-5", "acme/gpt-5"),
        ("acme", "acme/acme"),
        ("/gpt-5", "acme//gpt-5"),
        ("gpt 5?a=b", "acme/gpt 5?a=b"),
    ],
)
def test_aliases_come_first_then_providers_then_the_dialects_own(name: str, meant: str) -> None:
    providers = {"acme": entry(), "claude": entry("anthropic")}
    models = {"quick": "acme/small", "a/b": "acme/aliased"}
    assert resolved(name, providers=providers, models=models) == meant


def test_it_says_the_protocol_of_the_provider() -> None:
    served = ServedModels.by(Settings(providers={"acme": entry(), "claude": entry("anthropic")}))
    assert resolve_name("claude/opus", "openai-chat", served) == ("claude", "anthropic", "opus")
    assert resolve_name("opus", "anthropic", served) == ("claude", "anthropic", "opus")


@pytest.mark.parametrize(
    ("dialect", "setting"),
    [
        ("openai-chat", "chat_provider"),
        ("openai-responses", "responses_provider"),
        ("anthropic", "messages_provider"),
    ],
)
def test_a_setting_chooses_among_several(dialect: DialectName, setting: str) -> None:
    providers = {name: entry(dialect) for name in ("one", "two", "three")} | {"other": entry("gemini")}
    detail = refused("gpt-5", dialect, providers=providers)
    assert f"MIDSTREAM_{setting.upper()}" in detail
    assert "one, three, two" in detail
    assert "other" not in detail
    for chosen in ("two", "other"):  # of whatever protocol
        assert resolved("gpt-5", dialect, providers=providers, **{setting: chosen}) == f"{chosen}/gpt-5"


def test_many_providers_are_not_all_named() -> None:
    detail = refused("gpt-5", providers={f"p{n:02}": entry() for n in range(20)})
    assert "p07 and 12 more" in detail
    assert "p08" not in detail


@pytest.mark.parametrize(
    ("dialect", "provider"),
    [
        ("openai-chat", "simulator"),
        ("openai-responses", "simulator-responses"),
        ("anthropic", "simulator-anthropic"),
    ],
)
def test_the_simulator_counts_where_nobody_else_speaks_it_and_nobody_has_a_key(
    monkeypatch: pytest.MonkeyPatch, dialect: DialectName, provider: str
) -> None:
    assert resolved("gpt-5", dialect, simulator_url=SIMULATOR) == f"{provider}/gpt-5"
    local = {"local": entry("gemini", api_key_env="KEY_OF_LOCAL")}
    assert resolved("gpt-5", dialect, simulator_url=SIMULATOR, providers=local) == f"{provider}/gpt-5"
    monkeypatch.setenv("KEY_OF_LOCAL", "a-key-to-hide")
    assert "there is none" in (detail := refused("gpt-5", dialect, simulator_url=SIMULATOR, providers=local))
    assert "a-key-to-hide" not in detail
    monkeypatch.delenv("KEY_OF_LOCAL")
    assert resolved("gpt-5", dialect, simulator_url=SIMULATOR, providers={"own": entry(dialect)}) == "own/gpt-5"


@pytest.mark.parametrize("name", ["", "acme/"])
def test_a_name_has_a_model_in_it(name: str) -> None:
    assert "no model" in refused(name, providers={"acme": entry()})


def test_the_native_dialect_has_no_bare_names() -> None:
    providers = {"acme": entry()}
    assert resolved("acme/x", "native", providers=providers) == "acme/x"
    assert "MIDSTREAM_" not in refused("x", "native", providers=providers)
