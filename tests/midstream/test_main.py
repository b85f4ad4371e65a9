"""The command itself, before any of its commands is looked for."""

from __future__ import annotations

import shlex
import sys

import pytest

from midstream import main
from shared.process.version import version
from tests.midstream.conftest import RunPython


@pytest.mark.parametrize("more", [[], ["chat", "Hi"], ["nonsense"]])
def test_version(run_python: RunPython, more: list[str]) -> None:
    process = run_python("-m", "midstream", "--version", *more)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"midstream {version()}\n", "")


def test_version_needs_no_settings(run_python: RunPython) -> None:
    """Reading them takes longer than all the rest."""
    process = run_python("-X", "importtime", "-m", "midstream", "--version", MIDSTREAM_PORT="nonsense")
    _, imported = process.communicate(timeout=30)
    assert process.returncode == 0
    assert " midstream.main\n" in imported
    assert not any(
        f" {name}\n" in imported for name in ("pydantic", "rich", "asyncio", "httpx2", "shared.config.settings")
    )


def test_ctrl_c_while_it_starts_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "app", interrupted)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 130


def test_wrong_usage_names_the_command_as_it_was_typed(run_python: RunPython) -> None:
    process = run_python("-m", "midstream", "tail", TERMINAL_WIDTH="500")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"Try '{shlex.quote(sys.executable)} -m midstream tail --help' for help." in err
