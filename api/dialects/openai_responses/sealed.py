"""What only a provider can read, in `encrypted_content`: encrypted reasoning, and signatures of what was said.

The protocol has one field for it. What the field holds is said before it, and whose it is by `opaque`.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from api.dialects import opaque

SealedKind = Literal["encrypted", "signature", "call", "text"]
"""Encrypted reasoning; the signature of reasoning that is told; that of a call; that of a text."""

_SEALED = re.compile(r"(encrypted|signature|call|text)(\+?)\.([^.]*)\.(.*)", re.DOTALL)


class Sealed(NamedTuple):
    """What an `encrypted_content` holds."""

    provider: str | None
    """Whose it is; None where it was not sealed here, and so is of the provider that is asked."""
    kind: SealedKind
    name: str | None
    """The provider's own id of the item, which it compares (OpenAI); the call's id; the text's number in the answer."""
    value: str
    summary: bool = False
    """Whether the reasoning beside it is the provider's summary; all of it is told as such."""


def seal(provider: str, kind: SealedKind, name: str | None, value: str, *, summary: bool = False) -> str:
    """Returns the `encrypted_content` of a provider's value."""
    said = f"{kind}+" if summary else kind
    return opaque.wrap(provider, f"{said}.{quote(name or '', safe='').replace('.', '%2E')}.{value}")


def unseal(text: str) -> Sealed:
    """Returns what an `encrypted_content` holds, also one that a provider made, or another dialect."""
    provider, value = opaque.unwrap(text)
    if provider is None or (match := _SEALED.fullmatch(value)) is None:
        return Sealed(provider, "encrypted", None, value, summary=provider is None)
    kind: SealedKind = match[1]  # type: ignore[assignment]  # by the expression
    return Sealed(provider, kind, unquote(match[3]) or None, match[4], summary=bool(match[2]))
