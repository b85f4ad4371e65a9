"""Scopes: what a caller may."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """What a caller may."""

    GENERATE = "generate"
    """Ask, cancel, delete, share."""
    READ = "read"
    """See what its owner has, and watch it."""
    ADMIN = "admin"
    """See what all owners use, and how the server does."""


USUAL = frozenset({Scope.GENERATE, Scope.READ})
EVERYTHING = frozenset(Scope)


def written(scopes: Iterable[Scope]) -> str:
    """Returns scopes as they are written: in their order, with commas."""
    given = frozenset(scopes)
    return ",".join(scope for scope in Scope if scope in given)


def read(text: str) -> frozenset[Scope]:
    """Returns the scopes of a text with commas. Raises ValueError for one that is unknown, and where there is none."""
    return frozenset(Scope(word.strip()) for word in text.split(","))
