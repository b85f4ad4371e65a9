"""What the other nodes are told of a count."""

from __future__ import annotations

from api.counting.viewer_count import GenerationViewers, ViewerCount


class Viewer:
    def offer(self, frame: bytes) -> bool:
        return True


def test_of_a_generation_only_what_somebody_wants_to_know() -> None:
    viewers = GenerationViewers("gen_a", "key")
    viewers.here, viewers.others = 3, 4
    assert (viewers.total, viewers.told(10.0), viewers.is_read) == (7, 0, False)
    viewers.wanted_until = 11.0
    assert (viewers.told(10.0), viewers.told(11.0)) == (3, 0)
    viewers.askers[Viewer()] = None
    assert (viewers.told(12.0), viewers.is_read) == (3, True)
    viewers.askers.clear()
    viewers.after_ms = 1
    assert (viewers.told(12.0), viewers.is_read) == (3, False)


def test_of_an_owner_all() -> None:
    count = ViewerCount("key")
    count.here = 2
    assert (count.told(0.0), count.is_read) == (2, False)
