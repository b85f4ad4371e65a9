"""What no test of one commit can show: sentences with what bears them, and suspicions that were disproved."""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """A sentence of the documentation, and the tests, or the page with the figure, that bear it."""

    file: str
    text: str
    borne_by: tuple[str, ...]


SENTENCES: dict[str, Sentence] = {}
"""By point; a point with several sentences has a name for each."""

DISPROVED: dict[str, str] = {}
"""By point: what was tried."""
