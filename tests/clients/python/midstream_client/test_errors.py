"""What an error says to a program."""

from __future__ import annotations

from midstream_client import ClientError


def test_the_code_is_the_problems() -> None:
    assert ClientError("no", status=410, problem={"code": "gone"}).code == "gone"
    assert ClientError("no", problem={"code": 5}).code is None
    assert ClientError("no").code is None
