"""What messages are made of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.request.message_parts import FilePart, ImagePart, ImageUrl, Reasoning

PDF = "data:application/pdf;base64,aGk="


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (FilePart, {"type": "file", "file": {}}),
        (FilePart, {"type": "file", "file": {"file_data": PDF, "file_url": "https://example.com/"}}),
        (FilePart, {"type": "file", "file": {"file_data": "aGk="}}),
        (FilePart, {"type": "file", "file": {"file_url": "file:///etc/passwd"}}),
        *(
            (ImagePart, {"type": "image_url", "image_url": {"url": url}})
            for url in ("data:image/png", "data:;base64,aGk=", "data:image/png;base64,a")
        ),
        (Reasoning, {"signature": "c2ln"}),
        (Reasoning, {"provider": "openai"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"must be|must begin with|needs|holds no valid base64"):
        kind.model_validate(fields)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "gopher://127.0.0.1/_", " https://x", "https:/x"])
def test_an_image_is_no_file_of_a_provider(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        ImageUrl(url=url)
