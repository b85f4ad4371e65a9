"""The tree of exceptions, as the top of shared/errors.py draws it."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import api
import midstream
import shared
import worker
from shared import errors
from shared.errors import MidstreamError


def all_of(parent: type[MidstreamError]) -> list[type[MidstreamError]]:
    return [found for child in parent.__subclasses__() for found in (child, *all_of(child))]


@pytest.fixture(scope="module")
def raised() -> list[type[MidstreamError]]:
    """All that is defined in our packages."""
    for package in (api, midstream, shared, worker):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return [error for error in all_of(MidstreamError) if not error.__module__.startswith("tests")]


def drawn() -> dict[str, str]:
    """The names in the tree, and what is said of each."""
    assert errors.__doc__ is not None
    return dict(re.findall(r"^[│├└─ ]*(\w+Error)\b *(.*)$", errors.__doc__, re.MULTILINE))


def test_all_are_drawn(raised: list[type[MidstreamError]]) -> None:
    assert {error.__name__ for error in raised} | {"MidstreamError"} == set(drawn())


def test_what_is_retryable_is_drawn_so(raised: list[type[MidstreamError]]) -> None:
    for error in raised:
        assert error.retryable == drawn()[error.__name__].startswith("retryable:"), error


def test_each_place_is_right(raised: list[type[MidstreamError]]) -> None:
    for error in raised:
        places = re.findall(r"\((\w+/[\w/]+)\.py", drawn()[error.__name__])
        assert all(place.replace("/", ".") == error.__module__ for place in places), error


def test_no_exception_of_ours_is_outside_the_tree(raised: list[type[MidstreamError]]) -> None:
    ours = {"api", "midstream", "shared", "worker"}
    outside = [
        error
        for error in every(Exception)
        if error.__module__.partition(".")[0] in ours and not issubclass(error, MidstreamError)
    ]
    assert outside == []
    assert all(error.__name__.endswith("Error") for error in raised)


def every(parent: type[BaseException]) -> list[type[BaseException]]:
    return [found for child in parent.__subclasses__() for found in (child, *every(child))]
