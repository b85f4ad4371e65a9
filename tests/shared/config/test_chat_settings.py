"""`[chat]` from the file and from variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config.settings import load
from shared.errors import SettingsError

FILE = """
simulator_url = "http://127.0.0.1:9"
[chat]
model = "simulator/lorem"
system = "Be kind."
[chat.tools.get_weather]
description = "The weather."
parameters = { type = "object" }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "midstream.toml"
    monkeypatch.setenv("MIDSTREAM_CONFIG", str(path))
    path.write_text(FILE)
    return path


def test_a_section(file: Path) -> None:
    chat = load().chat
    assert (chat.model, chat.system) == ("simulator/lorem", "Be kind.")
    assert chat.tools is not None
    assert chat.tools["get_weather"].model_dump() == {"description": "The weather.", "parameters": {"type": "object"}}


def test_variables_win_name_by_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_CHAT__SYSTEM", "5")
    assert (load().chat.system, load().chat.model) == ("5", "simulator/lorem")
    monkeypatch.setenv("MIDSTREAM_CHAT__TOOLS", '{"get_time": {}}')
    assert "get_time" in (load().chat.tools or {})


def test_nothing_is_fixed_without_it() -> None:
    chat = load().chat
    assert (chat.model, chat.system, chat.tools) == (None, None, None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('[chat]\nmodel = "nowhere/x"', "chat.model in .*: 'nowhere/x' names no provider"),
        ("[chat]\nmodle = 1", "chat.modle in .*: no such setting; did you mean model?"),
        ("[chat]\nsystem = 1", "chat.system in .*: must be text"),
        ("[chat]\ntools = 1", "chat.tools in .*: must be a table"),
        ("[chat.tools.x]\nparams = {}", "chat.tools.x.params in .*: no such setting"),
        ("chat = 1", "chat in .*: must be a table"),
    ],
)
def test_what_is_wrong_is_named(file: Path, wrong: str, says: str) -> None:
    file.write_text(wrong)
    with pytest.raises(SettingsError, match=says):
        load()


def test_a_variable_that_is_no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_CHAT__TOOLS", "get_time")
    with pytest.raises(SettingsError, match="MIDSTREAM_CHAT__TOOLS: must be a table, in a variable a JSON object"):
        load()
