"""What only a provider can read, in `encrypted_content`: encrypted reasoning, and signatures of what was said.

The protocol has one field for it. What the field holds is said before it, and whose it is by `opaque`.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from api.dialects import opaque

SealedKind = Literal["encrypted", "signature", "call", "text"]
"""Encrypted reasoning; the signature of reasoning that is told; that of a call; that of a text."""

_SEALED = re.compile(r"(encrypted|signature|call|text)\.([^.]*)\.(.*)", re.DOTALL)


class Sealed(NamedTuple):
    """What an `encrypted_content` holds."""

    provider: str | None
    """Whose it is; None where it was not sealed here, and so is of the provider that is asked."""
    kind: SealedKind
    name: str | None
    """The provider's own id of the item, which it compares (OpenAI); the call's id; the text's number in the answer."""
    value: str


def seal(provider: str, kind: SealedKind, name: str | None, value: str) -> str:
    """Returns the `encrypted_content` of a provider's value."""
    return opaque.wrap(provider, f"{kind}.{quote(name or '', safe='').replace('.', '%2E')}.{value}")


def unseal(text: str) -> Sealed:
    """Returns what an `encrypted_content` holds, also one that a provider made, or another dialect."""
    provider, value = opaque.unwrap(text)
    if provider is None or (match := _SEALED.fullmatch(value)) is None:
        return Sealed(provider, "encrypted", None, value)
    kind: SealedKind = match[1]  # type: ignore[assignment]  # by the expression
    return Sealed(provider, kind, unquote(match[2]) or None, match[3])
