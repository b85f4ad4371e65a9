"""URLs that hold their content themselves."""

from __future__ import annotations

import pytest

from shared.request.data_url import data_of


@pytest.mark.parametrize(
    "url", ["data:image/PNG;base64,aGk=", "DATA:image/png;x=y;base64,aGk%3D", "data:image/png,h%69"]
)
def test_data_urls(url: str) -> None:
    assert data_of(url) == ("image/png", b"hi")
    assert data_of(url).base64 == "aGk="
