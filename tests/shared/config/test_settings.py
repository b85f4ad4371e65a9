"""Settings that are refused, before anything starts, and how that is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.config.allowed_values import bounds, is_number
from shared.config.settings import Settings, load
from shared.config.variables import strangers, without_strangers
from shared.errors import SettingsError

NUMBERS = [name for name, field in Settings.model_fields.items() if is_number(field)]
UP = '[providers.up]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:1/v1"\n'
PRICE = "input = 1\noutput = 1\n"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`midstream.toml` of the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "midstream.toml"


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load()
    (line,) = str(caught.value).splitlines()
    assert not re.search(r"pydantic|Input should|valid (number|integer|string|boolean)|\[type=", line), line
    return line


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("written", ["true", '"5"', "nan", "inf", "-1", "1e18"])
def test_a_number_in_the_file_has_its_kind_and_its_bounds(name: str, written: str, file: Path) -> None:
    file.write_text(f"{name} = {written}\n")
    line = refusal()
    assert line.startswith(f"{name} in midstream.toml: must be a ")
    assert re.search(r"from [\d.,]+ to [\d.,]+$", line), line


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("written", ["true", "nan", "-1", "99999999999999"])
def test_a_number_in_a_variable_has_its_bounds(name: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MIDSTREAM_{name.upper()}", written)
    assert refusal().startswith(f"MIDSTREAM_{name.upper()}: must be a ")


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_within_the_bounds_is_taken(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    least, most, above = bounds(Settings.model_fields[name])
    for value in (most, *(() if above else (least,))):
        file.write_text(f"{name} = {value}\n")
        assert getattr(load(), name) == value
        file.unlink()
        monkeypatch.setenv(f"MIDSTREAM_{name.upper()}", str(value))
        assert getattr(load(), name) == value
        monkeypatch.delenv(f"MIDSTREAM_{name.upper()}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port = 8000.0", "port in midstream.toml: must be a whole number from 0 to 65,535"),
        ("pack = 1", "pack in midstream.toml: must be true or false"),
        ('pack = "yes"', "pack in midstream.toml: must be true or false"),
        ('log_level = "loud"', "log_level in midstream.toml: must be `debug`, `info`, `warning` or `error`"),
        ("default_model = 5", "default_model in midstream.toml: must be text"),
        ("models = 5", "models in midstream.toml: must be a table, in a variable a JSON object"),
        ("[models]\nfast = 5", "models.fast in midstream.toml: must be text"),
        ("providers.up = 5", "providers.up in midstream.toml: must be a table"),
        ("leese = 5", "leese in midstream.toml: no such setting; did you mean lease?"),
        (UP + "base_ulr = 'x'", "providers.up.base_ulr in midstream.toml: no such setting; did you mean base_url?"),
        (
            "[providers.up]\nbase_url = 'http://a'",
            "providers.up.protocol in midstream.toml: is missing; it must be `open",
        ),
        (UP + "stream_options = 0", "providers.up.stream_options in midstream.toml: must be true or false"),
        (UP + "api_key_env = 'sk-abc'", "providers.up.api_key_env in midstream.toml: must be the name of a variable"),
        ('[providers."a b".x]', 'providers."a b".protocol in midstream.toml: is missing'),
        (UP + '[models]\nfast = "up"', "models.fast in midstream.toml: 'up' names no provider; known are up"),
        (UP + '[models]\nfast = "up/"', "models.fast in midstream.toml: 'up/' names no model; write up/MODEL"),
        (UP + '[models]\nfast = "up/ x"', "models.fast in midstream.toml: 'up/ x' names no model"),
        (UP + '[models]\n" " = "up/x"', "models in midstream.toml: alias ' ' must not be empty"),
        ('default_model = "zz/z"\n' + UP, "default_model in midstream.toml: 'zz/z' names no provider; known are up"),
        ('default_model = "zz/z"', "default_model in midstream.toml: 'zz/z' names no provider; none is known"),
        ('chat_provider = "zz"\n' + UP, "chat_provider in midstream.toml: 'zz' names no provider; known are up"),
        ('responses_provider = "up/x"\n' + UP, "responses_provider in midstream.toml: 'up/x' names no provider"),
        ('messages_provider = ""', "messages_provider in midstream.toml: '' names no provider; none is known"),
        (
            UP + f'[prices."upp/x"]\n{PRICE}',
            'prices."upp/x" in midstream.toml: names no provider; known are up, openai',
        ),
        (
            UP + '[owners.acme]\nmodels = ["up/*", "upp/x"]',
            "owners.acme.models in midstream.toml: 'upp/x' is no alias, and neither PROVIDER/MODEL nor PROVIDER/*; kno",
        ),
        (UP + '[owners.acme]\nmodels = ["up"]', "owners.acme.models in midstream.toml: 'up' is no alias"),
        (UP + f'[prices."*/x"]\n{PRICE}', 'prices."*/x" in midstream.toml: names no provider'),
        (UP + f'[prices."up/x*"]\n{PRICE}', "prices in midstream.toml: 'up/x*' must be provider/model, or provider/*"),
        (
            UP + '[prices."up/x"]\ninput = true\noutput = 1',
            'prices."up/x".input in midstream.toml: must be a number of USD',
        ),
        (
            UP + '[prices."up/x"]\ninput = "nan"\noutput = 1',
            'prices."up/x".input in midstream.toml: must be a number of',
        ),
        (UP + '[prices."up/x"]\ninput = "0.1234567"\noutput = 1', "of 6 decimals at most"),
        ('host = ""', "host in midstream.toml: must be a name or an address"),
        ('host = "http://127.0.0.1"', "host in midstream.toml: must be a name or an address"),
        ('host = "é"', "host in midstream.toml: must be a name or an address"),
        ('api_keys = ","', "api_keys in midstream.toml: must hold owner:key"),
        ("lease = ", "midstream.toml: is not TOML (at line 1, column 9); correct it there"),
    ],
)
def test_the_file(text: str, line: str, file: Path) -> None:
    file.write_text(text + "\n")
    assert line in refusal()


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("MIDSTREAM_MODELS", "{bad", "MIDSTREAM_MODELS: must be a JSON object"),
        ("MIDSTREAM_MODELS", "[1]", "MIDSTREAM_MODELS: must be a JSON object"),
        ("MIDSTREAM_MODELS", '{"fast": 5}', "MIDSTREAM_MODELS: fast: must be text"),
        ("MIDSTREAM_MODELS", '{"fast": "up"}', "MIDSTREAM_MODELS: fast: 'up' names no provider; none is known"),
        ("MIDSTREAM_MODELS__FAST", "up", "MIDSTREAM_MODELS__FAST: 'up' names no provider"),
        ("MIDSTREAM_PROVIDERS", "{bad", "MIDSTREAM_PROVIDERS: must be a JSON object"),
        ("MIDSTREAM_PROVIDERS__UP", "{bad", "MIDSTREAM_PROVIDERS__UP: must be a JSON object"),
        ("MIDSTREAM_PROVIDERS__UP__BASE_URL", "http://a", "MIDSTREAM_PROVIDERS__UP__PROTOCOL: is missing"),
        ("MIDSTREAM_PROVIDERS__UP__BASE_ULR", "http://a", "MIDSTREAM_PROVIDERS__UP__"),
        ("MIDSTREAM_PRICES", '{"up/x": {"input": true, "output": 1}}', 'MIDSTREAM_PRICES: "up/x".input: must be'),
        ("MIDSTREAM_DEFAULT_MODEL", "up/x", "MIDSTREAM_DEFAULT_MODEL: 'up/x' names no provider"),
        ("MIDSTREAM_API_KEYS", "a:k\n", "MIDSTREAM_API_KEYS: the key of entry 1 holds a line break"),
        ("MIDSTREAM_API_KEYS", "a:ké", "MIDSTREAM_API_KEYS: the key of entry 1 holds a character that is not ASCII"),
        ("MIDSTREAM_API_KEYS", "a: k", "MIDSTREAM_API_KEYS: the key of entry 1 begins or ends with a space"),
        ("MIDSTREAM_API_KEYS", "a\nb:k", "MIDSTREAM_API_KEYS: an owner must be a name that can be printed"),
        *(
            ("MIDSTREAM_API_KEYS", none, "MIDSTREAM_API_KEYS: must hold owner:key")
            for none in (" , ", ",", " ", ",,, ")
        ),
        ("MIDSTREAM_API_KEYS", "k", "MIDSTREAM_API_KEYS: every entry must be owner:key"),
        ("OPENAI_API_KEY", "sk-x\n", "OPENAI_API_KEY: holds a line break"),
        ("OPENAI_API_KEY", " sk-x", "OPENAI_API_KEY: begins or ends with a space"),
        ("GROQ_API_KEY", "sk-ü", "GROQ_API_KEY: holds a character that is not ASCII"),
        ("OPENAI_BASE_URL", "localhost:1/v1", "OPENAI_BASE_URL: must begin with https:// or http://"),
        ("ANTHROPIC_BASE_URL", "ftp://a", "ANTHROPIC_BASE_URL: must begin with https:// or http://"),
        ("GEMINI_BASE_URL", "https://", "GEMINI_BASE_URL: must begin with https:// or http://"),
        ("OLLAMA_BASE_URL", "http://a:99999", "OLLAMA_BASE_URL: has no possible host and port"),
        ("MIDSTREAM_SIMULATOR_URL", "127.0.0.1:8090", "MIDSTREAM_SIMULATOR_URL: must begin with https:// or http://"),
        ("MIDSTREAM_REDIS_URL", "http://a", "MIDSTREAM_REDIS_URL: must begin with redis://, rediss://, unix://"),
        ("MIDSTREAM_QUEUE_URL", "redis://a:99999", "MIDSTREAM_QUEUE_URL: has no possible host and port"),
        ("MIDSTREAM_CONFIG", "/nonexistent", "MIDSTREAM_CONFIG: no file at /nonexistent"),
    ],
)
def test_variables(variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert refusal().startswith(line)


def test_a_wrong_address_of_an_entry_is_blamed_where_it_is_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[providers.up]\nprotocol = "openai-chat"\nbase_url = "a.test/v1"\n')
    assert refusal().startswith("providers.up.base_url in midstream.toml: must begin with")
    file.write_text('[providers.up]\nprotocol = "openai-chat"\nbase_url = ""\n')
    assert refusal().startswith("providers.up.base_url in midstream.toml: is empty")
    monkeypatch.setenv("OPENAI_BASE_URL", "a.test")
    file.write_text('[providers.openai]\nprotocol = "openai-chat"\n')
    assert refusal().startswith("OPENAI_BASE_URL: ")
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("GROQ_BASE_URL", "a.test")
    file.write_text('[providers.mine]\npreset = "groq"\n')
    assert refusal().startswith("GROQ_BASE_URL: ")
    file.unlink()
    assert refusal().startswith("GROQ_BASE_URL: ")
    monkeypatch.delenv("GROQ_BASE_URL")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "a.test")
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    assert refusal().startswith("GOOGLE_GEMINI_BASE_URL: ")


def test_no_value_that_may_be_secret_is_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t"
    for variable, value in {
        "MIDSTREAM_REDIS_URL": f"redis://:{secret}#x@h:1/0",
        "MIDSTREAM_API_KEYS": f"a:{secret}\n",
        "MIDSTREAM_PORT": secret,
        "MIDSTREAM_LEASE": secret,
        "MIDSTREAM_MODELS": secret,
        "OPENAI_API_KEY": f"{secret}\n",
        "OPENAI_BASE_URL": f"https://user:{secret}@a.test/v1",
    }.items():
        with monkeypatch.context() as context:
            context.setenv(variable, value)
            line = refusal()
            assert line.startswith(variable)
            assert secret not in line
    file.write_text(f"[providers.up]\nprotocol = 'openai-chat'\napi_key_env = '{secret}-x'\n")
    assert secret not in refusal()


def test_a_file_that_cannot_be_read(file: Path) -> None:
    file.write_bytes(b"# \xff\n")
    assert refusal() == "midstream.toml: is not UTF-8 (line 1); save it as UTF-8"
    file.unlink()
    file.mkdir()
    assert refusal().startswith("midstream.toml: cannot be read (Is a directory)")


def test_variables_win_over_the_file_entry_by_entry(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(UP + '[models]\nfast = "up/a"\nslow = "up/b"\n')
    monkeypatch.setenv("MIDSTREAM_MODELS", json.dumps({"fast": "up/c"}))
    monkeypatch.setenv("MIDSTREAM_MODELS__NEW", "up/d")
    monkeypatch.setenv("MIDSTREAM_PROVIDERS__UP__STREAM_OPTIONS", "false")
    monkeypatch.setenv("MIDSTREAM_PORT", "tcp://10.0.0.1:80")
    settings = load(fallback={"port": 9})
    assert settings.models == {"fast": "up/c", "slow": "up/b", "new": "up/d"}
    assert settings.providers["up"].stream_options is False
    assert settings.port == 9


def test_names_that_are_right(file: Path) -> None:
    file.write_text(
        UP + '[models]\nfast = "simulator/echo"\nup = "up/x/y"\n'
        f'[prices."up/*"]\n{PRICE}[prices."openai/gpt"]\ninput = "0.25"\noutput = 0.5\n'
    )
    assert load(fallback={"simulator_url": "http://127.0.0.1:8090/"}).simulator_url == "http://127.0.0.1:8090"


def test_a_wrong_option_is_named_as_it_was_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--host: must be a name or an address"):
        load(host="a b")


def test_a_variable_that_an_entry_has_its_key_in_is_no_stranger(file: Path) -> None:
    file.write_text(UP + 'api_key_env = "MIDSTREAM_KEY_OF_UP"\n')
    environment = {"MIDSTREAM_KEY_OF_UP": "k", "MIDSTREAM_KEY_OF_X": "k"}
    known = load().known()
    assert strangers(known, environment) == ["MIDSTREAM_KEY_OF_X"]
    assert "MIDSTREAM_KEY_OF_UP" in without_strangers(known, environment)
