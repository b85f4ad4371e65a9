"""What only a provider can read, in `encrypted_content`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.dialects import opaque
from api.dialects.openai_responses.sealed import Sealed, seal, unseal


@given(st.sampled_from(["encrypted", "signature", "call", "text"]), st.text(), st.text())
def test_what_is_sealed_comes_back(kind: str, name: str, value: str) -> None:
    assert unseal(seal("openai", kind, name, value)) == Sealed("openai", kind, name or None, value)  # type: ignore[arg-type]


def test_what_a_provider_made_is_of_nobody_in_particular() -> None:
    assert unseal("gAAAA.x.y=") == Sealed(None, "encrypted", None, "gAAAA.x.y=")


def test_what_another_dialect_wrapped_is_encrypted() -> None:
    assert unseal(opaque.wrap("anthropic", "c2ln")) == Sealed("anthropic", "encrypted", None, "c2ln")
