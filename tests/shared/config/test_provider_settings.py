"""One endpoint: whom it asks and with which key, what of it is refused, and which endpoints are there by themselves."""

from __future__ import annotations

import os
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from shared.config.presets import PRESETS
from shared.config.protocols import PROTOCOLS, Protocol
from shared.config.provider_settings import BUILT_IN, ProviderSettings, built_in

URL = "http://127.0.0.1:9/v1"


def endpoint(protocol: str = "openai-chat", **fields: Any) -> ProviderSettings:
    return ProviderSettings.model_validate({"protocol": protocol} | fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prefill": "prefix", "protocol": "anthropic"}, "prefill 'prefix' is not one"),
        ({"prefill": "assistant", "protocol": "openai-responses"}, "prefill 'assistant' is not one"),
        ({"prefill": "assistant", "protocol": "gemini"}, "prefill 'assistant' is not one"),
        ({"preset": "nobody"}, "no preset 'nobody'; there are "),
        ({"preset": 5}, "no preset 5; there are "),
        ({"stream_options": 1}, "of another kind"),
        ({"idle_timeout": "5"}, "of another kind"),
        ({"idle_timeout": 0.01}, "greater than or equal"),
        ({"idle_timeout": float("nan")}, "finite"),
        ({"base_ulr": URL}, "base_ulr"),
        ({"api_key_env": "sk-live-1234"}, "api_key_env"),
        ({"anthropic_version": "newest"}, "anthropic_version"),
        ({"key_header": "cookie"}, "key_header"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        endpoint(**fields)


@pytest.mark.parametrize("protocol", get_args(Protocol))
def test_each_protocol_can_do_without_prefill(protocol: str) -> None:
    assert endpoint(protocol).prefill == "none"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whom_it_asks(monkeypatch: pytest.MonkeyPatch, protocol: Protocol) -> None:
    variable = PROTOCOLS[protocol].base_url_variable
    assert endpoint(protocol).address == PROTOCOLS[protocol].base_url
    monkeypatch.setenv(variable, URL)
    assert endpoint(protocol).address == URL
    assert endpoint(protocol, base_url="http://own.test").address == "http://own.test"
    assert endpoint(protocol).base_url_variable("mine") == variable
    assert endpoint(protocol, base_url="http://own.test").base_url_variable("mine") is None


def test_the_query_of_its_address_is_not_of_its_root() -> None:
    assert endpoint(base_url="http://own.test/v1?a=b").root == "http://own.test/v1"
    assert endpoint(base_url="http://own.test/v1").root == "http://own.test/v1"


def test_the_header_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "k-123")
    assert endpoint(api_key_env="ACME_KEY").key_headers == {"authorization": "Bearer k-123"}
    assert endpoint(api_key_env="ACME_KEY", key_header="api-key").key_headers == {"api-key": "k-123"}
    assert endpoint("gemini").key_headers == {"x-goog-api-key": "none"}


def test_the_variable_of_its_own_name_is_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_BASE_URL", URL)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", URL)
    assert endpoint("gemini", base_url=URL).base_url_variable("gemini") == "GEMINI_BASE_URL"
    assert endpoint("gemini", base_url=URL).base_url_variable("other") == "GOOGLE_GEMINI_BASE_URL"
    monkeypatch.setenv("GROQ_BASE_URL", URL)
    assert endpoint(preset="groq").base_url_variable("mine") == "GROQ_BASE_URL"


def test_a_key_is_that_of_its_variable_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    own = endpoint(api_key_env="ACME_KEY")
    assert (own.keyed, own.api_key()) == (False, "none")
    monkeypatch.setenv("ACME_KEY", "")
    assert (own.keyed, own.api_key()) == (False, "none")
    monkeypatch.setenv("ACME_KEY", "k")
    assert (own.keyed, own.api_key()) == (True, "k")
    assert (endpoint().keyed, endpoint().api_key()) == (False, "none")


def test_what_a_preset_says_is_there_unless_the_entry_says_otherwise() -> None:
    name, preset = next((name, preset) for name, preset in PRESETS.items() if preset.quirks)
    (field, value), *_ = preset.quirks.items()
    assert getattr(endpoint(preset=name), field) == value
    default = ProviderSettings.model_fields[field].default
    assert getattr(endpoint(preset=name, **{field: default}), field) == default


def test_nothing_is_there_without_a_variable() -> None:
    assert not [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]
    assert built_in(None) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("suffix", ["API_KEY", "BASE_URL"])
def test_a_vendor_is_there_with_its_key_or_its_address(
    monkeypatch: pytest.MonkeyPatch, protocol: Protocol, suffix: str
) -> None:
    facts = PROTOCOLS[protocol]
    monkeypatch.setenv(f"{facts.prefix}_{suffix}", URL)
    found = built_in(None)
    own = found[facts.vendor]
    assert (own.protocol, own.prefill) == (protocol, facts.vendor_prefill)
    assert own.keyed is (suffix == "API_KEY")
    assert (own.base_url == URL) is (suffix == "BASE_URL")
    assert {other.vendor for other in PROTOCOLS.values() if other.prefix == facts.prefix} == found.keys()


def test_the_simulators_are_there_where_it_runs_and_need_no_key() -> None:
    found = built_in("http://127.0.0.1:1")
    assert list(found) == [facts.simulator for facts in PROTOCOLS.values()]
    assert [entry.protocol for entry in found.values()] == list(PROTOCOLS)
    for entry in found.values():
        assert entry.address == f"http://127.0.0.1:1{PROTOCOLS[entry.protocol].simulator_path}"
        assert not entry.keyed


def test_all_that_may_be_there_by_themselves_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = {facts.prefix for facts in PROTOCOLS.values()} | {preset.prefix for preset in PRESETS.values()}
    for prefix in prefixes:
        monkeypatch.setenv(f"{prefix}_API_KEY", "k")
        monkeypatch.setenv(f"{prefix}_BASE_URL", URL)
    assert set(built_in(URL)) == set(BUILT_IN)
