"""What a connection may take: as the settings say, and no more connections than the system has descriptors for."""

from __future__ import annotations

import resource

import pytest

from api.serving.connection_limits import (
    BODY_BYTES_PER_S,
    DEFAULT_MAX_CONNECTIONS,
    RESERVED_DESCRIPTORS,
    ConnectionLimits,
)
from shared.config.settings import Settings


def test_the_settings_are_taken_over_each_to_its_place() -> None:
    settings = Settings(max_headers=9_001, header_timeout=2.0, body_timeout=3.0, keep_alive=4.0, max_connections=5)
    assert ConnectionLimits.by(settings) == ConnectionLimits(9_001, 2.0, 3.0, 4.0, 5)


def test_without_settings_it_is_as_by_default() -> None:
    settings = Settings(max_connections=1)
    assert ConnectionLimits.by(settings) == ConnectionLimits(max_connections=1)


@pytest.mark.parametrize(
    ("soft", "most"),
    [
        (1_024, 1_024 - RESERVED_DESCRIPTORS),
        (RESERVED_DESCRIPTORS, 1),
        (16, 1),
        (DEFAULT_MAX_CONNECTIONS + RESERVED_DESCRIPTORS, DEFAULT_MAX_CONNECTIONS),
        (1_000_000, DEFAULT_MAX_CONNECTIONS),
        (resource.RLIM_INFINITY, DEFAULT_MAX_CONNECTIONS),
    ],
)
def test_where_nothing_is_said_it_is_what_the_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert ConnectionLimits.by(Settings()).max_connections == most


def test_a_body_has_a_second_more_for_what_has_come() -> None:
    limits = ConnectionLimits(body_timeout=7.0)
    assert limits.for_body(0) == 7.0
    assert limits.for_body(3 * BODY_BYTES_PER_S) == 10.0
