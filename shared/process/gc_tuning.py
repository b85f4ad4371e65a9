"""Python's garbage collector, kept out of the way of streams."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

GC_THRESHOLDS = (10_000, 20, 100)
"""Objects that are made until the youngest are looked through; and how often that is, until the older ones are."""


def spare_collector() -> None:
    """Freezes all objects that exist once a process has started, and makes collections of the rest rarer.

    All streams stand still during a collection. A full one takes 0.2 s for the SDKs' models, and 0.05 s for the answers
    of 400 generations; by Python's own thresholds it came every 2 s. What is not in cycles is freed at once as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@contextmanager
def loading() -> Iterator[None]:
    """Keeps the collector away while modules load, which takes a quarter less time.

    It would look through all that was loaded so far, again and again, and find nothing to free.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
