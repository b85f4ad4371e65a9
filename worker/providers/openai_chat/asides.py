"""What an answer says beside itself, in proportion: stamps once, what changes with every token at the end."""

from typing import Any

from msgspec import Struct

_CHANGES = 2
"""Values of one field of numbers that are told as they come."""

_LABEL_CHARS = 64
"""A text beside numbers that changes nothing about them: a unit, a name."""

_REPEATS = 2
"""How often a value may come again before it is a stamp, and no piece of something."""


class _Field(Struct):
    value: Any
    told: int = 1
    waits: bool = False
    repeats: int = 0


class About:
    """Fields about the whole answer: the newest value counts."""

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}

    def read(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns those that are told now: what is new, and what changes, unless it counts or grows with the answer."""
        told: dict[str, Any] = {}
        for name, value in fields.items():
            if (known := self._fields.get(name)) is None:
                self._fields[name] = _Field(value)
            elif known.value == value:
                continue
            else:
                known.waits = _holds(value, known.value) or (known.told >= _CHANGES and _counts(value, known.value))
                known.value = value
                if known.waits:
                    continue
                known.told += 1
            told[name] = value
        return told

    def rest(self) -> dict[str, Any]:
        """Returns the last values of those that changed more often."""
        return {name: known.value for name, known in self._fields.items() if known.waits}


class Pieces:
    """Unknown fields of a message: each value may be a piece of something, and is told, unless it is none.

    None are: numbers that change with every token, a value that holds the one before it, stamps.
    """

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}

    def read(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns what is told now, in order: one object for what waited, and one for what came."""
        before: dict[str, Any] = {}
        now: dict[str, Any] = {}
        again: list[dict[str, Any]] = []
        for name, value in fields.items():
            known = self._fields.get(name)
            if known is None:
                self._fields[name] = _Field(value)
            elif known.value == value and type(known.value) is type(value):
                known.repeats += 1
                continue
            elif _counts(value, known.value):
                known.value, known.repeats, known.waits = value, 0, known.told >= _CHANGES
                if known.waits:
                    continue
                known.told += 1
            elif _holds(value, known.value):
                known.value, known.repeats, known.waits = value, 0, True
                continue
            else:
                if known.waits:
                    before[name] = known.value
                if known.repeats <= _REPEATS:
                    again += [{name: known.value}] * known.repeats
                known.value, known.repeats, known.waits = value, 0, False
            now[name] = value
        return [told for told in (before, *again, now) if told]

    def rest(self) -> dict[str, Any]:
        """Returns what still waits at the end."""
        return {name: known.value for name, known in self._fields.items() if known.waits}


def _holds(value: Any, before: Any) -> bool:
    """Says whether a value is the one before it and more."""
    if isinstance(value, str) and isinstance(before, str):
        return bool(before) and value.startswith(before)
    if isinstance(value, list) and isinstance(before, list):
        return bool(before) and value[: len(before)] == before
    if isinstance(value, dict) and isinstance(before, dict) and value.keys() == before.keys():
        return all(value[name] == before[name] or _holds(value[name], before[name]) for name in value)
    return False


def _counts(value: Any, before: Any) -> bool:
    """Says whether only numbers differ from the value before."""
    if isinstance(value, int | float):
        return before is None or isinstance(before, int | float)
    if isinstance(value, dict) and isinstance(before, dict):
        return all(_counts(one, before.get(name)) for name, one in value.items())
    if isinstance(value, list) and isinstance(before, list):
        return len(value) == len(before) and all(map(_counts, value, before))
    return value == before and (not isinstance(value, str) or len(value) <= _LABEL_CHARS)
