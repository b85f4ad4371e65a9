"""Which call a piece of one is of, by what each endpoint gives: index, id, name, order.

Some number all calls 0 or not at all, some give them no id, or each fragment another; some say a name in every
fragment, or in pieces.
"""

import json
from collections.abc import Sequence

from msgspec import Struct, field

from worker.providers.openai_chat.arguments import Arguments
from worker.providers.openai_chat.chunk import ToolCallDelta
from worker.providers.openai_chat.thought_signature import Signature


class Call(Struct):
    """One call. `part` is None until it is in the log."""

    index: int | None
    id: str = ""
    name: str = ""
    part: int | None = None
    arguments: Arguments = field(default_factory=Arguments)
    signature: Signature | None = None
    late: bool = False
    """It began without a name."""
    known: bool = False
    """Its name is whole, if it has any."""
    ready: str = ""
    """Arguments that wait for the name."""
    twin: "Call | None" = None
    """The call before it, with the same name and no id to tell them apart: it may be that one once more."""


def nearest(calls: Sequence[Call], piece: ToolCallDelta) -> Call | None:
    """Returns the call that a piece is of, if it begins none."""
    latest = calls[::-1]
    named = [call for call in latest if piece.id and call.id == piece.id]
    if piece.index is None:
        return next(iter(named or latest), None)
    here = [call for call in latest if call.index == piece.index]
    if here:
        # All calls once more at the end may be numbered otherwise than before.
        return next((call for call in named if call in here), named[0] if named else here[0])
    if piece.function is not None and piece.function.name:
        return None
    return named[0] if named else _interrupted(latest, piece)


def _interrupted(latest: Sequence[Call], piece: ToolCallDelta) -> Call | None:
    """Returns the latest call where its arguments go on in this piece, as some count the index up with each."""
    if not latest or piece.id or piece.function is None or not isinstance(text := piece.function.arguments, str):
        return None
    call = latest[0]
    return call if text and call.part is not None and call.arguments.goes_on(text) else None


def begins(call: Call, piece: ToolCallDelta, name: str, text: str, *, beside: bool) -> bool:
    """Says whether a piece begins a call of its own, and is not of this one, which it is nearest to.

    Another id does it with a name, or after complete arguments: some give each fragment an id of its own. A name
    does it after complete arguments: some say it in every fragment, or in pieces before any. `beside`: the same
    chunk had something of this call.
    """
    arguments = call.arguments
    if piece.id and call.id and piece.id != call.id:
        if not name:
            return arguments.whole and bool(text.strip()) and not arguments.repeats(text)
        return not (name == call.name and arguments.goes_on(text))
    if not (name and call.name):
        return False
    if beside or arguments.whole:
        return True
    if call.part is not None:
        return name != call.name
    # A piece of a name has the id of its call, or neither id nor type.
    return bool(piece.type) and not piece.id and not name.startswith(call.name)


def same(calls: Sequence[Call], piece: ToolCallDelta, place: int, name: str, text: str) -> Call | None:
    """Returns the call that one of a whole message is: of its id, else of its index or place, if it agrees."""
    agreeing = [call for call in calls if call.name in ("", name or call.name)]
    if piece.id and (named := [call for call in agreeing if call.id == piece.id]):
        return named[0]
    here = [call for call in agreeing if piece.index is not None and call.index == piece.index]
    if not here and place < len(calls):
        # Two that have both an index and an id, and neither of them in common, are two.
        ours = piece.index is None or calls[place].index is None or not (piece.id and calls[place].id)
        here = [call for call in agreeing if ours and call is calls[place]]
    return next((call for call in here if not call.arguments.whole or call.arguments.repeats(text)), None)


def is_object(text: str) -> bool:
    """Says whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False
