"""The path of a request as it may be shown."""

from __future__ import annotations

import pytest

from api.request_paths import shown_path

SECRET = "aghnk2kphhl4flwkhpefddvyblglsrve"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/generations/gen_x/events?token=secret", "/v1/generations/gen_x/events"),
        ("/s/secret", "/s/…"),
        ("/s/secret/events", "/s/…/events"),
        ("/s/secret/events?last_event_id=1-0", "/s/…/events"),
        ("/s/", "/s/…"),
        (f"/s//{SECRET}", "/s/…/…"),
        (f"//s/{SECRET}", "//s/…"),
        (f"/S/{SECRET.upper()}", "/S/…"),
        (f"/prefix/s/{SECRET}/events", "/prefix/s/…/events"),
        (f"/x/{SECRET}%0A", "/x/…%0A"),
        (f"/x/s/%22{SECRET}%22", "/x/s/%22…%22"),
        (f"/v1/ms_{SECRET}", "/v1/…"),
        ("/v1/generations/gen_x/events%3Ftoken%3DWyJn.Zw", "/v1/generations/gen_x/events%3Ftoken%3D…"),
        ("/v1/generations/gen_x/events%26Token=WyJn/Zw?a", "/v1/generations/gen_x/events%26Token=…"),
        (f"/v1/generations/gen_{SECRET}", f"/v1/generations/gen_{SECRET}"),
        ("/v1/generations/gen_x/share/shr_" + SECRET, "/v1/generations/gen_x/share/shr_" + SECRET),
        ("/s", "/s"),
        ("/assets/style.css", "/assets/style.css"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_no_secret_is_in_it(path: str, shown: str) -> None:
    assert shown_path(path) == shown
