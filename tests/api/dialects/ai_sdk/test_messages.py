"""Messages of a chat become ours, and what is wrong with them is named where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from api.dialects.ai_sdk.messages import Messages


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m", "role": "user", "parts": list(parts)}


TEXT = {"type": "text", "text": "Hi"}
PNG = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,QQ=="}
PDF = {"type": "file", "mediaType": "application/pdf", "url": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}


def test_texts_and_files() -> None:
    page = {"type": "file", "mediaType": "application/pdf", "url": "https://a.example/a.pdf"}
    read = Messages([user(TEXT), user(TEXT, PNG, PDF, page, {"type": "data-x", "data": 1})])
    assert read.native == [
        {"role": "user", "content": "Hi"},
        {
            "role": "user",
            "content": [
                TEXT,
                {"type": "image_url", "image_url": {"url": PNG["url"]}},
                {"type": "file", "file": {"file_data": PDF["url"], "filename": "a.pdf"}},
                {"type": "file", "file": {"file_url": page["url"]}},
            ],
        },
    ]
    assert read.errors == []
    assert read.moved["/messages/1/content/1"] == "/messages/1/parts/1"


def test_instructions_come_first() -> None:
    system = {"id": "s", "role": "system", "parts": [TEXT, {"type": "text", "text": "!"}]}
    read = Messages([None, system, user(TEXT)], "Be kind.")
    assert [message["content"] for message in read.native] == ["Be kind.", "Hi!", "Hi"]
    assert (read.moved["/messages/0/content"], read.moved["/messages/2"]) == ("/system", "/messages/2")


def test_an_answer_can_be_several_messages() -> None:
    call = {"type": "tool-get", "toolCallId": "c", "state": "output-available", "input": {}, "output": 1}
    answer = {"id": "a", "role": "assistant", "parts": [call, TEXT]}
    read = Messages([answer, user(TEXT)])
    assert [message["role"] for message in read.native] == ["assistant", "tool", "user"]
    assert read.moved["/messages/2"] == "/messages/1"


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (1, ""),
        ({"role": "user"}, ""),
        ({"role": "user", "content": "Hi"}, ""),
        ({"role": "robot", "parts": []}, "/role"),
        (user(), "/parts"),
        (user({"type": "text"}), "/parts/0"),
        (user(TEXT, {"type": "file", "url": 1}), "/parts/1"),
    ],
)
def test_what_is_wrong_is_named(message: Any, place: str) -> None:
    assert Messages([message]).errors[0].pointer == f"/messages/0{place}"
