"""The name of an attempt's model, as this version writes it and as earlier ones did."""

from __future__ import annotations

import pytest

from shared.log.attempt_model import bare_name, full_name


@pytest.mark.parametrize(
    ("said", "full", "bare"),
    [
        ("simulator/lorem?deltas=4", "simulator/lorem?deltas=4", "lorem?deltas=4"),
        ("lorem?deltas=4", "simulator/lorem?deltas=4", "lorem?deltas=4"),
        ("meta-llama/Llama-3", "simulator/meta-llama/Llama-3", "meta-llama/Llama-3"),
        ("simulator/simulator/auto", "simulator/simulator/auto", "simulator/auto"),
        ("simulator-anthropic", "simulator/simulator-anthropic", "simulator-anthropic"),
    ],
)
def test_it_is_read_with_its_provider_and_without(said: str, full: str, bare: str) -> None:
    assert (full_name("simulator", said), bare_name("simulator", said)) == (full, bare)
