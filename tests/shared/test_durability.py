"""The times that follow from how Redis syncs: what they are in production, and that they shrink together."""

from __future__ import annotations

from shared.config.settings import Settings
from shared.durability import Durability


def test_in_production() -> None:
    durability = Durability(Settings().lease)
    assert (durability.synced_s, durability.synced_ms) == (2.0, 2000)
    assert (durability.rewritten_ms, durability.retaken_ms, durability.restored_ms) == (4000, 5000, 5000)
    assert (durability.kept_s, durability.catch_up_s) == (4.0, 3.0)
    assert (durability.given_up_s, durability.given_up_ms) == (10.0, 10_000)
    assert (durability.max_looks, durability.max_refusals) == (30, 60)


def test_a_short_lease_is_no_reason_to_believe_redis_sooner() -> None:
    durability = Durability(0.3)
    assert (durability.lease_ms, durability.retaken_ms, durability.restored_ms) == (300, 2000, 4000)


def test_what_depends_on_the_sync_shrinks_with_it() -> None:
    durability = Durability(0.3, sync_s=0.05)
    assert (durability.synced_ms, durability.rewritten_ms, durability.restored_ms) == (100, 200, 300)
    assert (durability.catch_up_s, durability.given_up_s) == (0.05 + durability.synced_s, 0.5)
