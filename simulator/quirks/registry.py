"""All quirks, by name. `python -m tests.quirk_table` writes their table in docs/providers.md."""

from collections.abc import Iterable
from typing import Final

from simulator.quirks import (
    chat_shapes,
    documents,
    ends,
    errors,
    finish,
    finish_words,
    framing,
    images,
    keepalives,
    message_blocks,
    reasoning,
    refusals,
    response_items,
    scalars,
    tool_arguments,
    tool_ids,
    tool_names,
    usage,
)
from simulator.quirks.quirk import Quirk

_THEMES: Final = (
    finish,
    finish_words,
    tool_names,
    tool_ids,
    tool_arguments,
    response_items,
    message_blocks,
    reasoning,
    usage,
    scalars,
    chat_shapes,
    images,
    errors,
    keepalives,
    # From here on only bytes change, and so all others must have been applied.
    ends,
    framing,
    documents,
    refusals,
)

QUIRKS: Final[dict[str, Quirk]] = {quirk.name: quirk for theme in _THEMES for quirk in theme.QUIRKS}
"""In the order in which several are applied."""


def chosen(names: Iterable[str], protocol: str) -> tuple[Quirk, ...]:
    """The quirks of these names, in their order. Raises ValueError where there is none, or none in this protocol."""
    if not (wanted := set(names)):
        return ()
    for name in sorted(wanted):
        if name not in QUIRKS:
            raise ValueError(f"must be quirks of docs/providers.md, and '{name}' is none")
        if protocol not in QUIRKS[name].protocols:
            known = ", ".join(QUIRKS[name].protocols)
            raise ValueError(f"has '{name}', which is for {known} only")
    found = tuple(quirk for name, quirk in QUIRKS.items() if name in wanted)
    if len(found) > 1 and any(quirk.documents or quirk.refusals for quirk in found):
        raise ValueError("has one that stands in place of the stream: give it alone")
    return found
