"""Fixtures: programs and providers that end with their test, or with their module."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import POINTS
from tests.mended.running import Running
from tests.mended.upstream import Scripts, Upstream


class Start(Protocol):
    """Starts a program in a folder of its own; with an upstream, its providers are that one."""

    def __call__(
        self,
        upstream: Upstream | None = None,
        *,
        toml: str = "",
        env: Mapping[str, str] | None = None,
        program: str = "up",
        arguments: Sequence[str] = (),
        folder: Path | None = None,
        port: int | None = None,
    ) -> Running: ...


class Serve(Protocol):
    """Starts a scripted provider."""

    def __call__(self, scripts: Scripts) -> Upstream: ...


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Into the report goes which point a test is of; with MIDSTREAM_POINTS only tests of those points run."""
    deselected = []
    for item in items:
        mark = item.get_closest_marker("mended")
        if mark is None:
            continue
        point = str(mark.args[0])
        item.user_properties += [("point", point), ("guard", str(mark.kwargs.get("guard", False)))]
        if POINTS and point not in POINTS:
            deselected.append(item)
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


def _starter(root: Path) -> Iterator[Start]:
    started: list[Running] = []
    numbers = itertools.count(1)

    def start(
        upstream: Upstream | None = None,
        *,
        toml: str = "",
        env: Mapping[str, str] | None = None,
        program: str = "up",
        arguments: Sequence[str] = (),
        folder: Path | None = None,
        port: int | None = None,
    ) -> Running:
        place = folder or root / str(next(numbers))
        variables = (upstream.env if upstream else {}) | dict(env or {})
        running = Running(place, toml=toml, env=variables, program=program, arguments=arguments, port=port)
        started.append(running)
        return running

    yield start
    for running in reversed(started):
        running.stop()


def _server() -> Iterator[Serve]:
    served: list[Upstream] = []

    def serve(scripts: Scripts) -> Upstream:
        served.append(Upstream(scripts))
        return served[-1]

    yield serve
    for upstream in served:
        upstream.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """For this test."""
    yield from _starter(tmp_path)


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """For all tests of the module."""
    yield from _starter(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """For this test."""
    yield from _server()


@pytest.fixture(scope="module")
def serve_shared() -> Iterator[Serve]:
    """For all tests of the module."""
    yield from _server()
