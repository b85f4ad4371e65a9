"""The values of one label, bounded: a caller who makes names up must not fill Prometheus."""

from collections.abc import Iterable

OTHER = "other"
"""Stands for all values beyond the bound."""
MAX_CHARS = 100


class LabelNames:
    """The values that a label may have: those `known` from the start, and of others the first `most`."""

    def __init__(self, most: int, known: Iterable[str] = ()) -> None:
        self._known = {_cut(name) for name in known}
        self._most = most + len(self._known)

    def admit(self, name: str) -> str:
        """Returns the label's value for a name, which becomes one of the first where there is room."""
        name = _cut(name)
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name

    def value(self, name: str) -> str:
        """Returns the label's value for a name, which is `other` unless it was admitted before."""
        name = _cut(name)
        return name if name in self._known else OTHER


def _cut(name: str) -> str:
    return name[:MAX_CHARS]
