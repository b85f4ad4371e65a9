"""The garbage collector looks no more at what was there at the start, and still at what comes after."""

from __future__ import annotations

import gc
import weakref

from shared.collector import spare_collector


class Knot:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_loaded_is_spared_and_what_follows_is_not() -> None:
    spare_collector()
    try:
        spared = gc.get_freeze_count()
        knot = weakref.ref(Knot())
        gc.collect()
        assert spared > 1000
        assert knot() is None
        assert gc.get_freeze_count() == spared
    finally:
        gc.unfreeze()
