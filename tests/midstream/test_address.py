"""The variables of the client commands, and how hints name the API."""

from __future__ import annotations

import pytest

from midstream.address import DEFAULT_URL, start_hint, url_option
from midstream.program import typed
from shared.config.settings import load


def test_the_programs_tolerate_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody who has exported them must still be able to run `midstream up`.
    monkeypatch.setenv("MIDSTREAM_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("MIDSTREAM_KEY", "sk-x")
    assert load().port == 8000


def test_an_address_is_named_where_the_next_command_would_not_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert url_option(DEFAULT_URL) == []
    assert url_option("https://a") == ["--url", "https://a"]
    monkeypatch.setenv("MIDSTREAM_URL", "")
    assert url_option(DEFAULT_URL) == []
    monkeypatch.setenv("MIDSTREAM_URL", "https://a")
    # Also in another shell.
    assert url_option("https://a") == ["--url", "https://a"]
    assert url_option(DEFAULT_URL) == ["--url", DEFAULT_URL]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (DEFAULT_URL, "up"),
        ("http://localhost:8000", "up"),
        ("http://127.0.0.1:9000", "up --port 9000"),
        ("http://127.0.0.1", "up --port 80"),
        ("http://[::1]:8000", "up --host ::1"),
        ("http://127.0.0.2:9000", "up --host 127.0.0.2 --port 9000"),
    ],
)
def test_what_starts_an_api_there(url: str, words: str) -> None:
    assert start_hint(url) == f"start it with `{typed(*words.split())}`, or "


@pytest.mark.parametrize("url", ["http://10.0.0.1:8000", "https://midstream.example", "https://127.0.0.1:8000"])
def test_nothing_here_starts_an_api_elsewhere(url: str) -> None:
    assert start_hint(url) == ""
