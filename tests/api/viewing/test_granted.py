"""What is open by a grant, and ends with it."""

from __future__ import annotations

from api.viewing.granted import Granted


class Held:
    """Something that is open."""

    def __init__(self, granted: Granted, grant: str) -> None:
        self.granted, self.grant, self.revoked = granted, grant, 0

    def revoke(self) -> None:
        self.revoked += 1
        self.granted.discard(self.grant, self)  # as a viewer does, which leaves the hub at once


def held(granted: Granted, grant: str) -> Held:
    one = Held(granted, grant)
    granted.add(grant, one)
    return one


def test_what_is_open_by_a_grant_ends_with_it_and_nothing_else_does() -> None:
    granted = Granted()
    first, second, other = held(granted, "key:a"), held(granted, "key:a"), held(granted, "key:b")
    assert set(granted.grants) == {"key:a", "key:b"}
    assert granted.end(["key:a", "key:unknown"]) == 2
    assert (first.revoked, second.revoked, other.revoked) == (1, 1, 0)
    assert set(granted.grants) == {"key:b"}


def test_what_is_over_is_forgotten_with_its_grant() -> None:
    granted = Granted()
    one, two = held(granted, "key:a"), held(granted, "key:a")
    granted.discard("key:a", one)
    assert set(granted.grants) == {"key:a"}
    granted.discard("key:a", two)
    granted.discard("key:a", two)
    assert set(granted.grants) == set()
    assert granted.end(["key:a"]) == 0


def test_what_came_in_without_a_grant_cannot_be_ended() -> None:
    granted = Granted()
    one = held(granted, "")
    assert set(granted.grants) == set()
    assert granted.end([""]) == 0
    assert one.revoked == 0
