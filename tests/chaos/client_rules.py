"""What clients make of what they were told: each rule yields its name, an id, and what was seen of it.

Their events are judged as everybody's. This is what they add up to: the state, and the text that stands.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.conversation_rules import Wrong, renumbered
from tests.chaos.evidence import Evidence
from tests.chaos.history import Folded, Page


def added_up_wrongly(evidence: Evidence) -> Iterator[Wrong]:
    """All rules of this module."""
    for folded in evidence.folded:
        yield from _generation(evidence, folded)
    for page in evidence.pages:
        yield from _page(evidence, page)


def _generation(evidence: Evidence, folded: Folded) -> Iterator[Wrong]:
    """Who was told all has the end and the text of the log."""
    log = evidence.log(folded.id)
    if folded.id in evidence.deletes or not log or evidence.differs(folded.id):
        return
    stored = [dump for dump in evidence.stored[folded.id] if dump.state is not None][-1]
    if (folded.state, folded.text) != (log[-1].type, stored.text):
        yield "folded", folded.id, f"{folded.viewer} has {folded.state}, {folded.text}, the log {log[-1].type}"


def _page(evidence: Evidence, page: Page) -> Iterator[Wrong]:
    """Who has a conversation open has its turns in their order, and of each its end and its text."""
    if page.how == "hung":
        yield "hung", page.conversation, f"{page.viewer} does not have all turns, but {page.turns}"
    if page.conversation in evidence.deletes:
        return
    due = [
        turn for turn in evidence.held(page.conversation) if turn[1] not in evidence.deletes and evidence.log(turn[1])
    ]
    turns = [(number, id) for number, id, _, _ in page.turns if id not in evidence.deletes]
    if turns != due and not any(renumbered(evidence, id, number) for number, id in turns):
        yield "page", page.conversation, f"{page.viewer} has {turns}, it has {due}"
    for _, id, state, text in page.turns:
        yield from _generation(evidence, Folded(at=page.at, viewer=page.viewer, id=id, state=state, text=text))
