"""The garbage collector looks no more at what was there at the start, and still at what comes after."""

from __future__ import annotations

import gc
import weakref

import pytest

from shared.process.gc_tuning import GC_THRESHOLDS, loading, spare_collector


class Knot:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_loaded_is_spared_and_what_follows_is_not() -> None:
    before = gc.get_threshold()
    spare_collector()
    try:
        spared = gc.get_freeze_count()
        knot = weakref.ref(Knot())
        gc.collect()
        assert spared > 1000
        assert knot() is None
        assert gc.get_freeze_count() <= spared, "nothing that came later is among them"
        # It still comes by itself.
        assert gc.isenabled()
        assert gc.get_threshold() == GC_THRESHOLDS
        many: list[list[object]] = []
        # Not asked whether it is there: from Python 3.12 on a collection may come while the answer holds it.
        freed: list[object] = []
        knot = weakref.ref(Knot(), freed.append)
        while not freed and len(many) < 2 * GC_THRESHOLDS[0]:
            many.append([many])
        assert freed == [knot]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_nothing_is_collected_while_modules_load() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            pass
        assert not gc.isenabled(), "the outer one still loads"
    assert gc.isenabled()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()
