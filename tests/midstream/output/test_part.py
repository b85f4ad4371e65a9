"""What is said in one line of what is no text."""

from __future__ import annotations

import base64

import pytest

from midstream.output.part import PartLine, call, file


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1000])
@pytest.mark.parametrize("step", [1, 3, 4, 5000])
def test_the_size_of_a_file_is_that_of_its_content(size: int, step: int) -> None:
    content = base64.b64encode(bytes(size)).decode()
    part = PartLine("file", media_type="image/png")
    for at in range(0, len(content), step):
        part.grow(content[at : at + step])
    assert part.line() == f"file image/png, {size:,} bytes" if size else "file image/png"


def test_of_a_text_nothing_is_kept() -> None:
    for kind in ("text", "refusal", "reasoning"):
        part = PartLine(kind)
        part.grow("abc")
        assert part.line() is None
        assert "abc" not in repr(part)


def test_spaces_stay_and_nothing_breaks_the_line_or_reaches_the_terminal() -> None:
    assert call("a  b", '{"x":\n\t"a   b\x1b"}') == 'tool call a  b {"x":  "a   b␛"}'
    assert file("image/\x1b[2Jpng", 1234567, "", whole=False) == "file image/␛[2Jpng, 1,234,567 bytes, not complete"
