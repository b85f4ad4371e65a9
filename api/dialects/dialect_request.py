"""A request as a dialect has read it: in Midstream's words, and what is to be said of it again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def same_pointer(pointer: str) -> str:
    """Returns a pointer as it is: what the dialect has at the native place."""
    return pointer


@dataclass(frozen=True, slots=True)
class DialectRequest:
    """What a dialect's `read` makes of a body."""

    native: dict[str, Any]
    """The JSON object of a GenerationRequest; its `model` as the caller wrote it."""
    stream: bool = False
    background: bool = False
    """Whether the answer is the object as it stands, at once (Responses)."""
    echo: dict[str, Any] = field(default_factory=dict)
    """What the dialect's answers repeat (`shared.record.Asked`)."""
    ignored: tuple[str, ...] = ()
    """Fields that were accepted and change nothing here."""
    pointer: Callable[[str], str] = same_pointer
    """Returns where in the dialect's body a native pointer stands."""
    previous: str | None = None
    """Id of the generation after which it comes, where its messages repeat all before."""
