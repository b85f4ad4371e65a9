"""File descriptors: limits as systems have them, and errors that are a lack of them."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket

import pytest

from shared.process.file_descriptors import RESERVED_DESCRIPTORS, is_exhausted, places, raise_limit, shortage


class System:
    """getrlimit and setrlimit of a machine that allows no more than `most`."""

    def __init__(self, soft: int, hard: int, most: int = 1 << 30) -> None:
        self.limits, self.most = (soft, hard), most

    def get(self, _: int) -> tuple[int, int]:
        return self.limits

    def set(self, _: int, limits: tuple[int, int]) -> None:
        if not 0 <= limits[0] <= self.most or (0 <= self.limits[1] < limits[0]):
            raise ValueError("not allowed")
        self.limits = limits


def on(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", system.get)
    monkeypatch.setattr(resource, "setrlimit", system.set)


@pytest.mark.parametrize(
    ("soft", "hard", "most", "limit"),
    [
        (256, 4096, 1 << 30, 4096),
        (1024, 1024, 1 << 30, 1024),
        (256, resource.RLIM_INFINITY, 1 << 30, 1_048_576),
        (256, resource.RLIM_INFINITY, 100_000, 65_536),
        (256, resource.RLIM_INFINITY, 10_240, 10_240),
        (256, resource.RLIM_INFINITY, 300, 256),
        (2_000_000, resource.RLIM_INFINITY, 1 << 30, 2_000_000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1 << 30, 1_048_576),
    ],
)
def test_the_limit_is_raised_as_far_as_it_goes_and_never_lowered(
    soft: int, hard: int, most: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = System(soft, hard, most)
    on(system, monkeypatch)
    assert raise_limit() == limit
    assert system.limits[1] == hard
    assert system.limits[0] in (limit, soft)


def test_what_does_not_fit_is_said_and_not_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    on(System(256, 1024), monkeypatch)
    assert places(500) == 500
    assert not caplog.records
    on(System(100, 256), monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert places(500) == 256 - RESERVED_DESCRIPTORS
    assert f"MIDSTREAM_CONCURRENCY=500 needs {500 + RESERVED_DESCRIPTORS}" in caplog.text
    assert shortage(500) is not None
    assert shortage(1) is None
    on(System(16, 16), monkeypatch)
    assert places(500) == 1


def caused(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except BaseException as error:
            raise RuntimeError("wrapped") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL])
def test_a_lack_is_known_however_it_is_wrapped(number: int) -> None:
    error = OSError(number, os.strerror(number))
    assert is_exhausted(error)
    assert is_exhausted(caused(caused(error)))


def test_what_others_do_is_no_lack() -> None:
    for error in (
        None,
        ValueError(),
        ConnectionRefusedError(errno.ECONNREFUSED, "x"),
        TimeoutError(errno.ETIMEDOUT, "x"),
    ):
        assert not is_exhausted(error)
    circle = RuntimeError()
    circle.__cause__ = circle
    assert not is_exhausted(circle)


def test_a_name_that_cannot_be_looked_up_is_one_only_where_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its number may be one of the system's errors by chance.
    error = caused(socket.gaierror(errno.ENOMEM, "no such name"))
    assert not is_exhausted(error)

    def none(*_: object) -> int:
        raise OSError(errno.EMFILE, "none")

    monkeypatch.setattr(os, "open", none)
    assert is_exhausted(error)
