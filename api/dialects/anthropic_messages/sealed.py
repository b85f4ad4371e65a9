"""Signatures and encrypted reasoning as Messages has them: one opaque text, which clients give back as it is.

What Anthropic has no field for travels in the same way: the signature of a text or a call (Gemini), and what OpenAI's
items of reasoning have beside their text.
"""

from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from api.dialects.opaque import unwrap, wrap

NOBODY = "-"
"""In place of a provider, where nothing is wrapped that is one's own."""


class Sealed(Struct, omit_defaults=True):
    """What is opaque about a part."""

    signature: str = ""
    encrypted: str = ""
    item_id: str = ""
    summary: bool | None = None
    of: Literal["", "text", "call"] = ""
    """Of what the signature is; empty for reasoning."""

    @property
    def is_anything(self) -> bool:
        """Says whether there is anything to give back."""
        return bool(self.signature or self.encrypted or self.item_id)


class Opened(NamedTuple):
    """What a client gave back, and whose it is; None where it was not sealed here."""

    provider: str | None
    sealed: Sealed


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Sealed).decode


def seal(sealed: Sealed, provider: str) -> str:
    """Returns the text in which a client has it: wrapped as it is where it is one value, else as JSON."""
    alone = next((value for value in (sealed.signature, sealed.encrypted) if value), "")
    plain = Sealed(signature=alone), Sealed(encrypted=alone)
    as_it_is = alone and sealed in plain and not alone.startswith("{")
    return wrap(provider or NOBODY, alone if as_it_is else _encode(sealed).decode())


def unseal(text: str, field: Literal["signature", "encrypted"]) -> Opened:
    """Returns what a text in this field holds."""
    provider, value = unwrap(text)
    if provider is None:
        return Opened(None, _one(field, value))
    if value.startswith("{"):
        try:
            return Opened(provider, _decode(value))
        except msgspec.MsgspecError:
            pass
    return Opened(provider, _one(field, value))


def _one(field: Literal["signature", "encrypted"], value: str) -> Sealed:
    return Sealed(signature=value) if field == "signature" else Sealed(encrypted=value)
