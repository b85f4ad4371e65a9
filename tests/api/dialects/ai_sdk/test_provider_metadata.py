"""What a provider wants back goes to the client and comes back whole."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.parts import SaidPart
from api.dialects.ai_sdk.provider_metadata import metadata_of, opaque, ours


def test_there_and_back() -> None:
    part = SaidPart("reasoning", "0", signature="c:2", encrypted="e", provider="acme", item_id="rs_1")
    assert opaque(metadata_of(part)) == {"signature": "c:2", "encrypted": "e", "provider": "acme", "item_id": "rs_1"}


def test_nothing_is_said_of_a_part_that_has_nothing() -> None:
    assert metadata_of(SaidPart("text", "0", item_id="msg_1", signature="s")) is None


@pytest.mark.parametrize("metadata", [None, "x", {"openai": {}}, {"midstream": 1}, {"midstream": {"signature": 1}}])
def test_what_others_have_written_is_not_ours(metadata: Any) -> None:
    assert opaque(metadata) == {}
    assert isinstance(ours(metadata), dict)
