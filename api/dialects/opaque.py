"""Signatures and encrypted reasoning in a dialect: wrapped with their provider's name, which alone can read them."""

import re

_WRAPPED = re.compile(r"ms1:([^:]{1,253}):(.*)", re.DOTALL)


def wrap(provider: str, value: str) -> str:
    """Returns a value of this provider as a dialect sends it."""
    return f"ms1:{provider}:{value}"


def unwrap(text: str) -> tuple[str | None, str]:
    """Returns the provider and the value; None for the provider where the text was not wrapped here."""
    match = _WRAPPED.fullmatch(text)
    return (match[1], match[2]) if match else (None, text)
