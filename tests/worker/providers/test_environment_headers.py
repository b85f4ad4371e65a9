"""Headers of the environment: not there while a client is made, and there again after it."""

from __future__ import annotations

import os

import pytest

from worker.providers.environment_headers import HEADER_VARIABLES, without_ambient_headers


@pytest.mark.parametrize("name", HEADER_VARIABLES)
def test_a_variable_is_not_there_meanwhile_and_comes_back(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "X-Secret: 1")
    monkeypatch.setenv("ACME_KEY", "k")
    with without_ambient_headers():
        assert name not in os.environ
        assert os.environ["ACME_KEY"] == "k"
    assert os.environ[name] == "X-Secret: 1"


def test_it_comes_back_where_no_client_could_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEADER_VARIABLES[0], "X: 1")
    with pytest.raises(LookupError), without_ambient_headers():
        raise LookupError
    assert os.environ[HEADER_VARIABLES[0]] == "X: 1"


def test_one_that_was_not_there_is_not_made() -> None:
    with without_ambient_headers():
        pass
    assert not set(HEADER_VARIABLES) & os.environ.keys()
