"""What is opaque goes out as one text and comes back as it was."""

from __future__ import annotations

from typing import Literal

import pytest

from api.dialects.anthropic_messages.sealed import NOBODY, Opened, Sealed, seal, unseal
from api.dialects.opaque import wrap


@pytest.mark.parametrize(
    ("sealed", "field"),
    [
        (Sealed(signature="s"), "signature"),
        (Sealed(encrypted="e"), "encrypted"),
        (Sealed(encrypted="e"), "signature"),
        (Sealed(signature="s", of="call"), "encrypted"),
        (Sealed(encrypted="e", item_id="rs_1", summary=True), "signature"),
        (Sealed(signature='{"looks":"like ours"}'), "signature"),
        (Sealed(encrypted="{"), "encrypted"),
    ],
)
def test_it_comes_back(sealed: Sealed, field: Literal["signature", "encrypted"]) -> None:
    provider, opened = unseal(seal(sealed, "gemini"), field)
    assert provider == "gemini"
    assert (opened.signature or opened.encrypted) == (sealed.signature or sealed.encrypted)
    assert (opened.of, opened.item_id, opened.summary) == (sealed.of, sealed.item_id, sealed.summary)


def test_one_value_is_wrapped_as_it_is() -> None:
    assert seal(Sealed(signature="c2ln"), "anthropic") == wrap("anthropic", "c2ln")
    assert unseal(wrap("anthropic", "c2ln"), "signature") == ("anthropic", Sealed(signature="c2ln"))


def test_it_comes_back_as_what_it_was_sealed_as_where_the_field_is_another() -> None:
    assert unseal(seal(Sealed(encrypted="e", item_id="i"), "openai"), "signature").sealed.encrypted == "e"


def test_what_was_not_wrapped_here_is_of_nobody() -> None:
    assert unseal("c2ln", "signature") == Opened(None, Sealed(signature="c2ln"))
    assert not unseal("", "signature").sealed.is_anything


def test_without_a_provider_it_is_nobodys() -> None:
    assert unseal(seal(Sealed(item_id="rs_1"), ""), "signature") == (NOBODY, Sealed(item_id="rs_1"))


def test_json_that_is_not_ours_is_a_value() -> None:
    assert unseal(wrap("p", "{broken"), "encrypted") == ("p", Sealed(encrypted="{broken"))
