"""An owner's allow-list: a model by any of its names, all of a provider's, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api.intake.allowed_models import AllowedModels
from api.intake.model_names import ServedModels
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings

LOCAL = ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1")
SERVED = ServedModels.among(
    Settings(providers={"acme": LOCAL, "other": LOCAL}, models={"quick": "acme/a", "also": "acme/a", "big": "other/b"}),
    {"acme": LOCAL, "other": LOCAL},
)


@pytest.mark.parametrize(
    ("entries", "asked", "may"),
    [
        (None, "acme/a", True),
        ([], "acme/a", False),
        (["acme/a"], "acme/a", True),
        (["acme/a"], "acme/ab", False),
        (["acme/a"], "acme/a?seed=1", True),
        (["acme/a?seed=1"], "acme/a", False),
        (["quick"], "acme/a", True),
        (["quick"], "acme/b", False),
        (["acme/*"], "acme/org/b", True),
        (["acme/*"], "acmeo/b", False),
        (["acme"], "acme/a", False),
        (["big", "acme/c"], "other/b", True),
    ],
)
def test_which_may_be_asked(entries: Sequence[str] | None, asked: str, may: bool) -> None:
    assert (asked in AllowedModels(entries, SERVED)) is may


def test_without_a_list_all_is_served() -> None:
    assert AllowedModels(None, SERVED).served() is SERVED


def test_only_what_may_be_asked_is_served() -> None:
    served = AllowedModels(["also", "acme/new"], SERVED).served()
    assert dict(served.listed.aliases) == {"acme/a": ["quick", "also"], "acme/new": []}
    assert served.listed.default == "acme/a"
    assert dict(served.models) == {"quick": "acme/a", "also": "acme/a"}
    assert list(served.endpoints) == ["acme"]


def test_a_default_that_may_not_be_asked_is_none() -> None:
    assert AllowedModels(["other/*"], SERVED).served().listed.default is None
