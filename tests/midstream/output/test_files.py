"""The files of an answer are saved under names of ours."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from midstream.errors import ClientError, NotFoundError
from midstream.output.files import save

CONTENT = base64.b64encode(b"\x89PNG").decode()


def file(**fields: Any) -> dict[str, Any]:
    return {"kind": "file", "complete": True, "media_type": "image/png", "data": CONTENT} | fields


def test_each_whole_file_is_saved(tmp_path: Path) -> None:
    parts = [
        {"kind": "text", "text": "a"},
        file(),
        file(url="https://example.org/", data=None),
        file(complete=False),
        file(media_type="audio/wav; rate=24000"),
        file(media_type="../../x", name="../../y"),
        file(media_type=None),
    ]
    names = list(save(tmp_path, "gen_x", parts))
    assert names == [str(tmp_path / f"gen_x-{name}") for name in ("1.png", "2.wav", "3.bin", "4.bin")]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        Path(name).name: b"\x89PNG" for name in names
    }


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "gen_x-1.png").write_bytes(b"mine")
    with pytest.raises(ClientError, match=r"gen_x-1\.png is there already"):
        list(save(tmp_path, "gen_x", [file()]))
    assert (tmp_path / "gen_x-1.png").read_bytes() == b"mine"


def test_what_cannot_be_saved_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gen_x has no files"):
        list(save(tmp_path, "gen_x", [{"kind": "text", "text": "a"}, file(complete=False)]))
    with pytest.raises(ClientError, match="file 1 of gen_x is not Base64"):
        list(save(tmp_path, "gen_x", [file(data="?")]))
    with pytest.raises(ClientError, match="cannot write"):
        list(save(tmp_path / "nowhere", "gen_x", [file()]))
    assert list(tmp_path.iterdir()) == []
