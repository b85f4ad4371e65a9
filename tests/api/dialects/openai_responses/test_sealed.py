"""What only a provider can read, in `encrypted_content`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.dialects import opaque
from api.dialects.openai_responses.sealed import Sealed, SealedKind, seal, unseal


@given(st.sampled_from(["encrypted", "signature", "call", "text"]), st.text(), st.text(), st.booleans())
def test_what_is_sealed_comes_back(kind: SealedKind, name: str, value: str, summary: bool) -> None:
    assert unseal(seal("openai", kind, name, value, summary=summary)) == Sealed(
        "openai", kind, name or None, value, summary
    )


def test_what_a_provider_made_is_of_nobody_in_particular_and_beside_a_summary() -> None:
    assert unseal("gAAAA.x.y=") == Sealed(None, "encrypted", None, "gAAAA.x.y=", summary=True)


def test_what_another_dialect_wrapped_is_encrypted() -> None:
    assert unseal(opaque.wrap("anthropic", "c2ln")) == Sealed("anthropic", "encrypted", None, "c2ln")
