"""How many connections a process opens: in figures that grow with the settings, as docs/operations.md has them."""

from __future__ import annotations

import pytest

from shared.config.settings import Settings
from shared.storage.connection_count import most_of_api, most_of_worker
from shared.storage.disk_sync import WAITING_CONNECTIONS


@pytest.mark.parametrize("connections", [2, 10, 1_000])
def test_each_has_its_pool_and_what_listens_or_waits_beside_it(connections: int) -> None:
    settings = Settings(redis_connections=connections)
    assert most_of_api(settings) == connections + 1
    assert most_of_worker(settings) == connections + 3


def test_who_waits_for_a_sync_holds_connections_of_the_api_only() -> None:
    settings = Settings(redis_connections=10, durability="disk")
    assert most_of_api(settings) == 11 + 10 * WAITING_CONNECTIONS
    assert most_of_worker(settings) == most_of_worker(Settings(redis_connections=10))
