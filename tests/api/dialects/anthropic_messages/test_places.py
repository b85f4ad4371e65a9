"""Pointers into a body, by ours."""

from __future__ import annotations

from api.dialects.anthropic_messages.places import Places


def test_the_nearest_known_place_counts() -> None:
    places = Places()
    places.add("/messages/1", "/messages/0")
    places.add("/messages/1/content/2", "/messages/0/content/5")
    places.add("/tools/0", "/tools/3")
    for ours, theirs in {
        "/messages/1/content/2/text": "/messages/0/content/5/text",
        "/messages/1/content/2/image_url/url": "/messages/0/content/5/source",
        "/messages/1/content/2/file/file_data": "/messages/0/content/5/source",
        "/messages/1/content/2/unheard_of": "/messages/0/content/5",
        "/messages/1/content/1": "/messages/0",
        "/messages/1/role": "/messages/0",
        "/messages/1": "/messages/0",
        "/messages": "/messages",
        "/tools/0/function/parameters": "/tools/3/input_schema",
        "/temperature": "/temperature",
        "": "",
    }.items():
        assert places.pointer(ours) == theirs
