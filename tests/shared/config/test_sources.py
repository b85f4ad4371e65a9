"""Where settings are written: which place wins, how one is named as the user wrote it, and what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.config.sources import Sources, near, read_sources
from shared.config.variables import Text
from shared.errors import SettingsError

KNOWN = {"port": 0, "models": 1, "providers": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(environment: dict[str, str] | None = None, **options: Any) -> Sources:
    return read_sources(options, KNOWN, environment or {})


def refusal(environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        read(environment)
    (line,) = str(caught.value).splitlines()
    return line


def test_nothing_written_is_nothing() -> None:
    sources = read()
    assert (sources.options, sources.variables, sources.variable_names, sources.file) == ({}, {}, frozenset(), {})
    assert sources.path == Path("midstream.toml")


def test_variables_are_tables_as_the_file_has_them(folder: Path) -> None:
    (folder / "midstream.toml").write_text('port = 1\n[providers.up]\nbase_url = "http://a"\n')
    sources = read(
        {
            "MIDSTREAM_PORT": "2",
            "MIDSTREAM_PROVIDERS__UP__BASE_URL": "http://b",
            "MIDSTREAM_MODELS__FAST": "up/x",
            "MIDSTREAM_OTHER": "3",
            "PORT": "4",
        },
        port=5,
    )
    assert sources.options == {"port": 5}
    assert sources.variables == {"port": "2", "providers": {"up": {"base_url": "http://b"}}, "models": {"fast": "up/x"}}
    assert isinstance(sources.variables["port"], Text)
    assert sources.file == {"port": 1, "providers": {"up": {"base_url": "http://a"}}}
    assert "MIDSTREAM_OTHER" not in sources.variable_names


def test_a_table_may_be_one_variable_of_json_over_which_a_leafs_own_wins() -> None:
    sources = read(
        {
            "MIDSTREAM_PROVIDERS__UP__BASE_URL": "http://b",
            "MIDSTREAM_PROVIDERS": '{"up": {"base_url": "http://a", "prefill": "none"}}',
        }
    )
    assert sources.variables["providers"] == {"up": {"base_url": "http://b", "prefill": "none"}}


@pytest.mark.parametrize("value", ["5", "[]", '"x"', "{", "x", "[" * 100_000])
def test_a_table_that_is_no_object_is_refused(value: str) -> None:
    assert refusal({"MIDSTREAM_MODELS": value}).startswith("MIDSTREAM_MODELS: must be a JSON object, like ")


def test_a_leaf_of_what_another_variable_says_is_no_table_is_refused() -> None:
    line = refusal({"MIDSTREAM_PROVIDERS": '{"up": 5}', "MIDSTREAM_PROVIDERS__UP__BASE_URL": "http://b"})
    assert line.startswith("MIDSTREAM_PROVIDERS__UP__BASE_URL: another variable says that up is no table")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("port",), "MIDSTREAM_PORT"),
        (("redis_url",), "MIDSTREAM_REDIS_URL"),
        (("models", "fast"), "MIDSTREAM_MODELS__FAST"),
        (("models", "a b"), 'models."a b" in midstream.toml'),
        (("providers", "up", "key"), "MIDSTREAM_PROVIDERS__UP__KEY"),
    ],
)
def test_what_nobody_wrote_is_named_as_one_would_write_it(place: tuple[str, ...], name: str) -> None:
    assert read().where(place) == name


def test_what_is_written_is_named_as_it_was(folder: Path) -> None:
    (folder / "midstream.toml").write_text('port = 1\n[providers."my one"]\nx = 1\n[models]\nslow = 1\n')
    environment = {"MIDSTREAM_MODELS": '{"fast": 5}', "MIDSTREAM_PROVIDERS__UP__BASE_URL": "x"}
    sources = read(environment, data_dir="x")
    assert sources.where(["data_dir"]) == "--data-dir"
    assert sources.where(["port"]) == "port in midstream.toml"
    assert sources.where(["models", "fast"]) == "MIDSTREAM_MODELS: fast"
    assert sources.where(["models", "slow"]) == "models.slow in midstream.toml"
    assert sources.where(["providers", "up", "base_url"]) == "MIDSTREAM_PROVIDERS__UP__BASE_URL"
    assert sources.where(["providers", "my one", "x"]) == 'providers."my one".x in midstream.toml'
    # What is missing belongs to the entry that is written.
    assert sources.where(["providers", "my one", "protocol"]) == 'providers."my one".protocol in midstream.toml'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"port = \n", "is not TOML (at line 1, column 8); correct it there"),
        (b"port = [", "is not TOML (at end of document); correct it there"),
        (b"x = 1\n\xff", "is not UTF-8 (line 2); save it as UTF-8"),
        (b"port = " + b"[" * 100_000, "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(folder: Path, content: bytes, says: str) -> None:
    (folder / "midstream.toml").write_bytes(content)
    assert refusal().startswith(f"midstream.toml: {says}")


def test_a_folder_in_its_place_is_no_file(folder: Path) -> None:
    (folder / "midstream.toml").mkdir()
    assert refusal().startswith("midstream.toml: cannot be read (Is a directory)")


def test_a_file_that_others_can_write_counts_only_where_it_is_named(folder: Path) -> None:
    file = folder / "midstream.toml"
    file.write_text("port = 1\n")
    file.chmod(0o666)
    line = refusal()
    assert line.startswith(f"{file}: ")
    assert "name it in MIDSTREAM_CONFIG" in line
    assert read({"MIDSTREAM_CONFIG": str(file)}).file == {"port": 1}


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    for place in (folder / "none.toml", folder):
        assert refusal({"MIDSTREAM_CONFIG": str(place)}).startswith(f"MIDSTREAM_CONFIG: no file at {place}; ")
    (folder / "other.toml").write_text("port = 2\n")
    sources = read({"MIDSTREAM_CONFIG": "other.toml"})
    assert (sources.file, sources.path) == ({"port": 2}, Path("other.toml"))


def test_a_name_that_is_near_is_suggested() -> None:
    assert near("prot", KNOWN) == "did you mean port?"
    assert near("xyz", KNOWN) == "docs/configuration.md has those that are"
