"""Hosts of this machine, in all the forms in which they are written."""

from __future__ import annotations

import pytest

from shared.config.loopback import is_loopback
from shared.config.settings import load
from shared.errors import SettingsError

HERE = ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"]
HERE += ["::ffff:127.0.0.1", "[::ffff:127.9.9.9]", "0:0:0:0:0:0:0:1"]
ELSEWHERE = ["", "0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "notlocalhost", "localhost.test"]


@pytest.mark.parametrize("host", HERE)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_anywhere_else(host: str) -> None:
    assert not is_loopback(host)


def test_only_there_the_api_listens_without_keys() -> None:
    assert load(host="127.0.0.2").host == "127.0.0.2"
    with pytest.raises(SettingsError, match="MIDSTREAM_API_KEYS"):
        load(host="0.0.0.0")
