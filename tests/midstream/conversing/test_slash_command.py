"""Which lines are commands."""

from __future__ import annotations

import pytest

from midstream.conversing.slash_command import COMMANDS, help_text, slash_command
from midstream.errors import RefusedError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/model openai/gpt-5 ", ("model", "openai/gpt-5")),
        ("/model", ("model", "")),
        ("/STOP\t", ("stop", "")),
        ("/quit", ("quit", "")),
    ],
)
def test_commands(line: str, expected: tuple[str, str]) -> None:
    assert slash_command(line) == expected


@pytest.mark.parametrize(
    "line", ["", "Hello", " /stop", "/", "/etc/hosts says what?", "a\n/stop", "/model x\nand more", "// a comment"]
)
def test_messages(line: str) -> None:
    assert slash_command(line) is None


@pytest.mark.parametrize(("line", "said"), [("/modle x", "no /modle; /help"), ("/stop it", "/stop takes nothing")])
def test_what_is_neither_says_what_to_do(line: str, said: str) -> None:
    with pytest.raises(RefusedError, match=f"{said}.* a space before the /"):
        slash_command(line)


def test_help_has_all_of_them() -> None:
    assert all(f"/{name}" in help_text() for name in COMMANDS)
